# Fails unless each header of runnel includes only what the law of its folder allows.
cmake_minimum_required(VERSION 3.21)

# The public headers that are values and words; the others are what users name, the models.
set(vocabulary abstract_clock ack channel_options duration error glob group_options key_slot list_options message model
    options outcome stream_id stream_options version)

# Which folders each may include besides itself. Siblings do not know each other; core and blocks
# hold no lock and do not wait.
set(above_base "")
set(above_vocabulary base)
set(above_wait base vocabulary)
set(above_blocks base vocabulary)
set(above_core base vocabulary blocks)
set(above_list base vocabulary wait blocks core)
set(above_stream base vocabulary wait blocks core)
set(above_channel base vocabulary wait blocks core)
set(above_facade base vocabulary wait blocks core list stream channel)
set(above_models base vocabulary wait blocks core list stream channel facade)
set(lockless blocks core)
set(locks mutex condition_variable runnel/detail/base/mutex.hpp runnel/detail/base/futex.hpp)

# The folder of a header, as above, by its path in include/runnel.
function(folder_of path result)
    if(path MATCHES "^detail/([a-z]+)/[a-z_]+[.]hpp$")
        set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
        return()
    endif()
    string(REGEX REPLACE "[.]hpp$" "" name ${path})
    if(name IN_LIST vocabulary)
        set(${result} vocabulary PARENT_SCOPE)
    elseif(name MATCHES "/")
        set(${result} none PARENT_SCOPE)
    else()
        set(${result} models PARENT_SCOPE)
    endif()
endfunction()

# Still to be mended.
set(debts
    "detail/channel/channel_requests.hpp connection.hpp"
    "detail/channel/inbox_state.hpp entries.hpp"
    "detail/core/log_cursor.hpp entries.hpp"
    "detail/facade/named_channel.hpp channel.hpp"
    "detail/stream/stream_state.hpp delivery.hpp"
    "detail/stream/stream_state.hpp entries.hpp")

file(GLOB_RECURSE headers RELATIVE ${ROOT}/include/runnel ${ROOT}/include/runnel/*.hpp)
if(NOT headers)
    message(SEND_ERROR "found no headers in ${ROOT}/include/runnel")
endif()
foreach(header IN LISTS headers)
    folder_of(${header} folder)
    if(NOT DEFINED above_${folder})
        message(SEND_ERROR "${header}: no law says what may stand there")
        continue()
    endif()
    file(STRINGS ${ROOT}/include/runnel/${header} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
        if(line MATCHES "include[ \t]*\"")
            message(SEND_ERROR "${header}: include <runnel/...>, not a relative path")
        elseif(line MATCHES "<(.+)>")
            set(included ${CMAKE_MATCH_1})
            if(folder IN_LIST lockless AND included IN_LIST locks)
                message(SEND_ERROR "${header} includes ${included}: ${folder} holds no lock and does not wait")
            endif()
            if(included MATCHES "^runnel/(.+)$")
                set(path ${CMAKE_MATCH_1})
                folder_of(${path} other)
                if(NOT other STREQUAL folder AND NOT other IN_LIST above_${folder} AND
                        NOT "${header} ${path}" IN_LIST debts)
                    message(SEND_ERROR "${header} includes ${path}: ${folder} must not know ${other}")
                endif()
            endif()
        endif()
    endforeach()
endforeach()

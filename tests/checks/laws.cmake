# Fails unless each header of runnel includes only what the law of its folder allows, and takes its
# atomic objects from detail/base/atomic.hpp.
cmake_minimum_required(VERSION 3.21)

# The public headers that are values and words; the others are what users name, the models.
set(vocabulary abstract_clock ack backoff channel_options deduplicator_options delivery_policy duration error executor
    glob group_options handled key_slot list_options message model options outcome prometheus rates snapshot stats
    stream_id stream_options version)

# What stands on top of the models.
set(on_top lag_monitor worker worker_options)

# Which folders each may include besides itself. Siblings do not know each other; blocks and core
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
set(above_worker base vocabulary models)  # what users use, nothing else
set(above_all base vocabulary models worker)  # runnel.hpp
set(above_compat base vocabulary wait blocks core list stream channel facade models)
set(above_compat_redis base vocabulary redis)  # the fake for the clients of others
set(above_redis base vocabulary wait blocks core)  # the fake stands beside the models
set(above_redis_testing base vocabulary wait redis)  # an optional part of the fake
set(above_redis_worker vocabulary models worker redis)  # lets a Worker work on the fake
set(lockless blocks core)
set(locks mutex shared_mutex condition_variable semaphore latch barrier future thread
    runnel/detail/base/mutex.hpp runnel/detail/base/futex.hpp)

# What these folders may know of the vocabulary: wait knows no messages; blocks and core know no
# outcome of a call, no batch and no clock.
set(words_of_wait abstract_clock duration error executor outcome)
set(words_of_blocks message stream_id)
set(words_of_core ack deduplicator_options list_options message stream_id)

# The one header that names std::atomic: all others write Atomic, which a test replaces. A fence for
# the compiler is no access.
set(home_of_atomics detail/base/atomic.hpp)
set(no_access "std::atomic_signal_fence")

# The folder of a header, as above, by its path in include/runnel.
function(folder_of path result)
    if(path MATCHES "^detail/([a-z]+)/[a-z_]+[.]hpp$")
        set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
        return()
    endif()
    string(REGEX REPLACE "[.]hpp$" "" name ${path})
    if(name IN_LIST vocabulary)
        set(${result} vocabulary PARENT_SCOPE)
    elseif(path MATCHES "^compat/redis_plus_plus(/[a-z_]+)?[.]hpp$")
        set(${result} compat_redis PARENT_SCOPE)
    elseif(path MATCHES "^compat/[a-z_]+[.]hpp$")
        set(${result} compat PARENT_SCOPE)
    elseif(name STREQUAL "redis/session_backend")
        set(${result} redis_worker PARENT_SCOPE)
    elseif(path MATCHES "^redis/(commands/)?[a-z0-9_]+[.]hpp$" OR name STREQUAL "redis")
        set(${result} redis PARENT_SCOPE)
    elseif(path MATCHES "^redis/testing/[a-z_]+[.]hpp$")
        set(${result} redis_testing PARENT_SCOPE)
    elseif(path MATCHES "^worker/[a-z_]+[.]hpp$" OR name IN_LIST on_top)
        set(${result} worker PARENT_SCOPE)
    elseif(name STREQUAL "runnel")
        set(${result} all PARENT_SCOPE)
    elseif(name MATCHES "/")
        set(${result} none PARENT_SCOPE)
    else()
        set(${result} models PARENT_SCOPE)
    endif()
endfunction()

file(GLOB_RECURSE headers RELATIVE ${ROOT}/include/runnel ${ROOT}/include/runnel/*)
list(FILTER headers EXCLUDE REGEX "(^|/)README[.]md$")
if(NOT headers)
    message(SEND_ERROR "found no headers in ${ROOT}/include/runnel")
endif()
foreach(header IN LISTS headers)
    folder_of(${header} folder)
    if(NOT DEFINED above_${folder})
        message(SEND_ERROR "${header}: no law says what may stand there")
        continue()
    endif()
    if(NOT header STREQUAL home_of_atomics)
        file(STRINGS ${ROOT}/include/runnel/${header} lines REGEX "std::atomic|<atomic>")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "//.*|${no_access}" "" line "${line}")
            if(line MATCHES "std::atomic|<atomic>")
                message(SEND_ERROR "${header} names ${CMAKE_MATCH_0}: only ${home_of_atomics} may")
            endif()
        endforeach()
    endif()
    get_filename_component(name ${header} NAME_WE)
    file(STRINGS ${ROOT}/include/runnel/${header} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
        if(line MATCHES "include[ \t]*\"" OR line MATCHES "<[^>]*[.]/")
            message(SEND_ERROR "${header}: include <runnel/...>, not a relative path")
        elseif(line MATCHES "<([^>]+)>")
            set(included ${CMAKE_MATCH_1})
            if((folder IN_LIST lockless OR name IN_LIST lockless) AND
               (included IN_LIST locks OR included MATCHES "^runnel/detail/wait/"))
                message(SEND_ERROR "${header} includes ${included}: ${name} holds no lock and does not wait")
            endif()
            if(included MATCHES "^runnel/(.+)$")
                set(path ${CMAKE_MATCH_1})
                folder_of(${path} other)
                if(NOT other STREQUAL folder AND NOT other IN_LIST above_${folder})
                    message(SEND_ERROR "${header} includes ${path}: ${folder} must not know ${other}")
                endif()
                get_filename_component(word ${path} NAME_WE)
                if(other STREQUAL "vocabulary" AND DEFINED words_of_${folder} AND
                   NOT word IN_LIST words_of_${folder})
                    message(SEND_ERROR "${header} includes ${path}: ${folder} must not know ${word}")
                endif()
            endif()
        endif()
    endforeach()
endforeach()

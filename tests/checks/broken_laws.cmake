# Fails unless laws.cmake refuses a violation of each law: WORK is a folder for trees with one.
cmake_minimum_required(VERSION 3.21)

# A header, what it includes against the law, and what is to be said of that.
set(violations
    "detail/base/reserve.hpp|runnel/message.hpp|base must not know vocabulary"
    "stream_id.hpp|runnel/detail/wait/waiter.hpp|vocabulary must not know wait"
    "detail/wait/spin.hpp|runnel/detail/blocks/slots.hpp|wait must not know blocks"
    "detail/blocks/slots.hpp|runnel/detail/wait/waiter.hpp|blocks must not know wait"
    "detail/blocks/slots.hpp|mutex|blocks holds no lock"
    "detail/core/group_state.hpp|runnel/detail/wait/waiter.hpp|core must not know wait"
    "detail/core/group_state.hpp|runnel/detail/base/mutex.hpp|core holds no lock"
    "detail/core/group_state.hpp|runnel/delivery.hpp|core must not know models"
    "detail/list/list_state.hpp|runnel/detail/stream/stream_state.hpp|list must not know stream"
    "detail/stream/stream_state.hpp|runnel/detail/channel/seat.hpp|stream must not know channel"
    "detail/channel/seat.hpp|runnel/detail/list/list_state.hpp|channel must not know list"
    "detail/channel/seat.hpp|runnel/detail/facade/names.hpp|channel must not know facade"
    "detail/facade/names.hpp|runnel/broker.hpp|facade must not know models"
    "detail/rest.hpp|version|no law says what may stand there"
    "redis/server.hpp|version|no law says what may stand there")

foreach(violation IN LISTS violations)
    string(REPLACE "|" ";" violation "${violation}")
    list(GET violation 0 header)
    list(GET violation 1 included)
    list(GET violation 2 words)
    file(REMOVE_RECURSE ${WORK})
    file(COPY ${ROOT}/include DESTINATION ${WORK})
    file(APPEND ${WORK}/include/runnel/${header} "#include <${included}>\n")
    execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${WORK} -P ${CMAKE_CURRENT_LIST_DIR}/laws.cmake
        RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE said)
    string(REGEX REPLACE "[ \n]+" " " said "${said}")  # it is wrapped
    if(status EQUAL 0)
        message(SEND_ERROR "${header} may include ${included}")
    elseif(NOT said MATCHES "${header}.*${words}")
        message(SEND_ERROR "of ${header} with ${included} is said: ${said}")
    endif()
endforeach()
file(REMOVE_RECURSE ${WORK})

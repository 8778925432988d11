# Fails unless laws.cmake refuses a violation of each law: WORK is a folder for trees with one.
cmake_minimum_required(VERSION 3.21)

# A header, what it includes or names against the law, and what is to be said of that.
set(violations
    "detail/base/reserve.hpp|<runnel/message.hpp>|base must not know vocabulary"
    "detail/base/reserve.hpp|\"reserve.hpp\"|not a relative path"
    "detail/base/reserve.hpp|<../include/runnel/message.hpp>|not a relative path"
    "stream_id.hpp|<runnel/detail/wait/waiter.hpp>|vocabulary must not know wait"
    "detail/wait/spin.hpp|<runnel/detail/blocks/slots.hpp>|wait must not know blocks"
    "detail/wait/spin.hpp|<runnel/message.hpp>|wait must not know message"
    "detail/blocks/slots.hpp|<runnel/detail/wait/waiter.hpp>|blocks must not know wait"
    "detail/blocks/slots.hpp|<mutex>  // std::lock<>|slots holds no lock"
    "detail/blocks/slots.hpp|<condition_variable>|slots holds no lock"
    "detail/core/group_state.hpp|<runnel/detail/wait/waiter.hpp>|core must not know wait"
    "detail/core/group_state.hpp|<runnel/detail/base/mutex.hpp>|group_state holds no lock"
    "detail/core/group_state.hpp|<runnel/abstract_clock.hpp>|core must not know abstract_clock"
    "detail/core/group_state.hpp|<runnel/outcome.hpp>|core must not know outcome"
    "detail/core/group_state.hpp|<runnel/delivery.hpp>|core must not know models"
    "detail/core/list_core.hpp|<runnel/detail/base/mutex.hpp>|list_core holds no lock"
    "detail/core/list_core.hpp|<runnel/detail/wait/waiter.hpp>|list_core holds no lock and does not wait"
    "detail/list/list_state.hpp|<runnel/detail/stream/stream_state.hpp>|list must not know stream"
    "detail/list/list_state.hpp|<runnel/detail/channel/seat.hpp>|list must not know channel"
    "detail/list/list_state.hpp|<runnel/blocking_list.hpp>|list must not know models"
    "detail/stream/stream_state.hpp|<runnel/detail/channel/seat.hpp>|stream must not know channel"
    "detail/channel/seat.hpp|<runnel/detail/list/list_state.hpp>|channel must not know list"
    "detail/channel/seat.hpp|<runnel/detail/facade/names.hpp>|channel must not know facade"
    "detail/facade/names.hpp|<runnel/broker.hpp>|facade must not know models"
    "broker.hpp|<runnel/compat/asio.hpp>|models must not know compat"
    "detail/wait/spin.hpp|<runnel/compat/asio.hpp>|wait must not know compat"
    "redis/reply.hpp|<runnel/broker.hpp>|redis must not know models"
    "redis/commands/lists.hpp|<runnel/detail/list/list_state.hpp>|redis must not know list"
    "redis.hpp|<runnel/compat/asio.hpp>|redis must not know compat"
    "redis.hpp|<runnel/redis/testing/fixture.hpp>|redis must not know redis_testing"
    "redis/session.hpp|<runnel/redis/testing/client.hpp>|redis must not know redis_testing"
    "redis/testing/fixture.hpp|<runnel/broker.hpp>|redis_testing must not know models"
    "redis/testing/fixture.hpp|<runnel/detail/core/list_core.hpp>|redis_testing must not know core"
    "stream.hpp|<runnel/worker.hpp>|models must not know worker"
    "worker.hpp|<runnel/detail/stream/stream_state.hpp>|worker must not know stream"
    "worker/job.hpp|<runnel/redis/session.hpp>|worker must not know redis"
    "redis/session_backend.hpp|<runnel/detail/core/list_core.hpp>|redis_worker must not know core"
    "broker.hpp|<runnel/redis.hpp>|models must not know redis"
    "compat/asio.hpp|<runnel/redis/reply.hpp>|compat must not know redis"
    "compat/asio.hpp|<runnel/compat/redis_plus_plus.hpp>|compat must not know compat_redis"
    "compat/redis_plus_plus.hpp|<runnel/broker.hpp>|compat_redis must not know models"
    "compat/redis_plus_plus/parse.hpp|<runnel/detail/core/list_core.hpp>|compat_redis must not know core"
    "redis/session.hpp|<runnel/compat/redis_plus_plus/words.hpp>|redis must not know compat_redis"
    "detail/core/group_state.hpp|<runnel/redis/reply.hpp>|core must not know redis"
    "detail/rest.hpp|<version>|no law says what may stand there"
    "detail/base/rest.inl|<version>|no law says what may stand there"
    "redis/rest/reply.hpp|<version>|no law says what may stand there"
    "detail/wait/spin.hpp|<atomic>|names <atomic>"
    "detail/wait/spin.hpp|<version> // needed\nextern std::atomic<int> looks|names std::atomic"
    "detail/core/channel_log.hpp|<version>\nextern std::atomic_flag flags|names std::atomic")

foreach(violation IN LISTS violations)
    string(REPLACE "|" ";" violation "${violation}")
    list(GET violation 0 header)
    list(GET violation 1 included)
    list(GET violation 2 words)
    file(REMOVE_RECURSE ${WORK})
    file(COPY ${ROOT}/include DESTINATION ${WORK})
    file(APPEND ${WORK}/include/runnel/${header} "#include ${included}\n")
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

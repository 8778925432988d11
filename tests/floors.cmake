# Fails unless each header of runnel includes only headers that stand above it in this list.
cmake_minimum_required(VERSION 3.21)

set(order
    version.hpp
    detail/annotations.hpp
    detail/assert.hpp
    detail/saturated.hpp
    duration.hpp
    error.hpp
    detail/check_count.hpp
    message.hpp
    model.hpp
    stream_id.hpp
    glob.hpp
    key_slot.hpp
    detail/type_key.hpp
    detail/futex.hpp
    detail/mutex.hpp
    detail/asymmetric.hpp
    detail/forced_unwind.hpp
    detail/process.hpp
    detail/waiter.hpp
    detail/recent_time.hpp
    clock.hpp
    options.hpp
    stream_options.hpp
    detail/spin.hpp
    detail/wait_queue.hpp
    detail/destruction.hpp
    detail/blocks.hpp
    detail/room.hpp
    detail/block_deque.hpp
    detail/handle.hpp
    detail/watched.hpp
    detail/id_offset.hpp
    detail/count_bits.hpp
    detail/radix_tree.hpp
    detail/slots.hpp
    detail/log_block.hpp
    detail/missed.hpp
    detail/pinned_slots.hpp
    detail/segmented_log.hpp
    detail/effect.hpp
    detail/stream_facts.hpp
    detail/stream_log.hpp
    detail/pending_leaf.hpp
    detail/pending_entries.hpp
    ack.hpp
    detail/group_state.hpp
    detail/list_core.hpp
    outcome.hpp
    entries.hpp
    detail/small_vector.hpp
    delivery.hpp
    detail/log_cursor.hpp
    detail/await.hpp
    detail/request.hpp
    detail/list_state.hpp
    detail/list_requests.hpp
    group_options.hpp
    detail/stream_state.hpp
    channel_options.hpp
    detail/channel_log.hpp
    detail/handler_run.hpp
    detail/handler.hpp
    connection.hpp
    detail/overdue.hpp
    detail/seat.hpp
    detail/inbox_state.hpp
    detail/channel_state.hpp
    detail/channel_requests.hpp
    blocking_list.hpp
    consumer_group.hpp
    stream.hpp
    messages.hpp
    channel.hpp
    inbox.hpp
    detail/source.hpp
    wait_any.hpp
    read_first.hpp
    detail/names.hpp
    detail/patterns.hpp
    detail/broker_state.hpp
    detail/named_channel.hpp
    broker.hpp
    runnel.hpp)

file(GLOB_RECURSE headers RELATIVE ${ROOT}/include/runnel ${ROOT}/include/runnel/*.hpp)
foreach(header IN LISTS headers order)
    if(NOT header IN_LIST order)
        message(SEND_ERROR "${header} is not in the list")
    elseif(NOT header IN_LIST headers)
        message(SEND_ERROR "${header} is in the list, but there is no such header")
    endif()
endforeach()

foreach(header IN LISTS headers)
    list(FIND order ${header} place)
    file(STRINGS ${ROOT}/include/runnel/${header} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
        if(line MATCHES "include[ \t]*\"")
            message(SEND_ERROR "${header}: include <runnel/...>, not a relative path")
        elseif(line MATCHES "<runnel/([^>]+)>")
            list(FIND order ${CMAKE_MATCH_1} other)
            if(other EQUAL -1 OR NOT other LESS place)
                message(SEND_ERROR "${header} includes ${CMAKE_MATCH_1}, which does not stand above it")
            endif()
        endif()
    endforeach()
endforeach()

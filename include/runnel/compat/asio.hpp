// SPDX-License-Identifier: MIT
#pragma once

// The waits of runnel in programs that use Asio: runnel::with_asio. For Boost.Asio include
// <runnel/compat/boost_asio.hpp>.

#include <runnel/version.hpp>

#if !__has_include(<asio.hpp>)
#    error "runnel: <runnel/compat/asio.hpp> needs Asio 1.18 or newer (Debian: libasio-dev)"
#else

#    include <asio/associated_allocator.hpp>
#    include <asio/associated_executor.hpp>
#    include <asio/async_result.hpp>
#    include <asio/execution/context.hpp>
#    include <asio/execution/context_as.hpp>
#    include <asio/execution_context.hpp>
#    include <asio/executor_work_guard.hpp>
#    include <asio/post.hpp>
#    include <asio/query.hpp>
#    include <asio/steady_timer.hpp>
#    include <asio/system_executor.hpp>
#    include <asio/version.hpp>
#    if ASIO_VERSION >= 101900
#        include <asio/associated_cancellation_slot.hpp>
#        include <asio/cancellation_type.hpp>
#    endif
#    if __has_include(<asio/recycling_allocator.hpp>)
#        include <asio/recycling_allocator.hpp>
#    endif

#    define RUNNEL_ASIO_ ::asio
#    define RUNNEL_ASIO_VERSION_ ASIO_VERSION
#    define RUNNEL_WITH_ASIO_ with_asio
#    include <runnel/compat/asio_wait.hpp>
#    undef RUNNEL_ASIO_
#    undef RUNNEL_ASIO_VERSION_
#    undef RUNNEL_WITH_ASIO_

#endif

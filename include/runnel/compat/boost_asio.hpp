// SPDX-License-Identifier: MIT
#pragma once

// As <runnel/compat/asio.hpp>, for Boost.Asio: runnel::with_boost_asio.

#include <runnel/version.hpp>

#if !__has_include(<boost/asio.hpp>)
#    error "runnel: <runnel/compat/boost_asio.hpp> needs Boost 1.74 or newer (Debian: libboost-dev)"
#else

#    include <boost/asio/associated_allocator.hpp>
#    include <boost/asio/associated_executor.hpp>
#    include <boost/asio/async_result.hpp>
#    include <boost/asio/execution/context.hpp>
#    include <boost/asio/execution/context_as.hpp>
#    include <boost/asio/execution_context.hpp>
#    include <boost/asio/executor_work_guard.hpp>
#    include <boost/asio/post.hpp>
#    include <boost/asio/query.hpp>
#    include <boost/asio/steady_timer.hpp>
#    include <boost/asio/system_executor.hpp>
#    include <boost/asio/version.hpp>
#    if BOOST_ASIO_VERSION >= 101900
#        include <boost/asio/associated_cancellation_slot.hpp>
#        include <boost/asio/cancellation_type.hpp>
#    endif
#    if __has_include(<boost/asio/recycling_allocator.hpp>)
#        include <boost/asio/recycling_allocator.hpp>
#    endif

#    define RUNNEL_ASIO_ ::boost::asio
#    define RUNNEL_ASIO_VERSION_ BOOST_ASIO_VERSION
#    define RUNNEL_WITH_ASIO_ with_boost_asio
#    include <runnel/compat/asio_wait.hpp>
#    undef RUNNEL_ASIO_
#    undef RUNNEL_ASIO_VERSION_
#    undef RUNNEL_WITH_ASIO_

#endif

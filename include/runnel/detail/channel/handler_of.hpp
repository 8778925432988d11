// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/executor_run.hpp>
#include <runnel/detail/channel/handler.hpp>
#include <runnel/detail/channel/handler_run.hpp>
#include <runnel/message.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace runnel::inline v0::detail {

// A handler that is a user's function. If that takes more than the message, it gets a Lent: a
// Connection to the handler whose end disconnects nothing.
template <Message T, typename Function, typename Lent>
class HandlerOf final : public Handler<T> {
public:
    HandlerOf(Owner<ChannelState<T>> channel, Function&& function, HandlerOptions&& options)
        : Handler<T>{options.bound},
          channel_{std::move(channel)},
          function_(std::in_place, std::move(function)),
          on_error_{std::move(options.on_error)},
          owner_{std::move(options.owner)},
          has_owner_{!is_empty(owner_)},
          is_once_{options.once},
          calls_at_once_in_{has_owner_ || is_once_ ? nullptr : &this_image} {
        if (!options.executor) return;
        own_run_ = Owner<ExecutorRun<T>>(std::in_place, *channel_.get(), *this,
                                         std::move(options.executor));
    }

    // Throws: std::bad_alloc; Error{closed}.
    void connect() {
        if (own_run_.get() != nullptr) return own_run_->connect();
        channel_->add_handler(*this);
    }

    Disconnected disconnect(const HandlerFrame<>* here) noexcept override {
        if (own_run_.get() != nullptr) return own_run_->disconnect(here);
        ChannelState<T>& channel = *channel_.get();
        return part_from(channel, channel, *this, channel.kill(*this), here);
    }

    void run(const T& message, const HandlerFrame<>& frame) override {
        if (!frame.is_of(calls_at_once_in_)) [[unlikely]]
            return run_conditionally(message, frame);
        handle(message);
    }

private:
    void drop_function() noexcept override {
        function_.reset();
        on_error_ = nullptr;
        owner_.reset();
    }

    static bool is_empty(const std::weak_ptr<void>& owner) noexcept {
        const std::weak_ptr<void> none;
        return !owner.owner_before(none) && !none.owner_before(owner);
    }

    // With its owner, only once, or in a run of another image.
    [[gnu::noinline]] void run_conditionally(const T& message, const HandlerFrame<>& frame) {
        const HandlerFrame<>::Entered here{frame};
        const std::shared_ptr<void> owner = owner_.lock();
        const bool is_gone = has_owner_ && owner.use_count() == 0;
        if (is_gone || is_once_) disconnect(&frame);  // in its own run: it is dropped after that
        if (!is_gone) handle(message);
    }

    RUNNEL_CATCHES_FORCED_UNWIND void handle(const T& message) {
        std::exception_ptr thrown;
        try {
            return call(message);
        } catch (const ForcedUnwind&) {
            throw;
        } catch (...) {
            if (!on_error_) std::terminate();  // here, where it prints what was thrown
            thrown = std::current_exception();
        }
        report(thrown);  // outside of the catch: libstdc++ lets no thread end inside of one
    }

    void call(const T& message) {
        if constexpr (std::invocable<Function&, const T&>) {
            std::invoke(*function_, message);
        } else {
            Lent own{Owner<Connected>{*this}, true};
            std::invoke(*function_, message, own);
        }
    }

    [[gnu::noinline]] RUNNEL_CATCHES_FORCED_UNWIND void report(const std::exception_ptr& thrown) {
        try {
            on_error_(thrown);
        } catch (const ForcedUnwind&) {
            throw;
        } catch (...) {
            std::terminate();
        }
    }

    const Owner<ChannelState<T>> channel_;
    Owner<ExecutorRun<T>> own_run_;  // null: the channel's run calls it
    std::optional<Function> function_;
    std::function<void(std::exception_ptr)> on_error_;
    std::weak_ptr<void> owner_;
    const bool has_owner_;
    const bool is_once_;
    const char* const calls_at_once_in_;  // this image, or none
};

}  // namespace runnel::inline v0::detail

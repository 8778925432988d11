// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/type_key.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/inbox_state.hpp>
#include <runnel/detail/facade/broker_state.hpp>
#include <runnel/detail/facade/names.hpp>
#include <runnel/detail/facade/patterns.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/message.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>

#include <cstddef>
#include <map>
#include <string_view>
#include <utility>

namespace runnel::inline v0::detail {

// A channel that a name stands for. The derived class has the handle that keeps it open.
template <Message T>
class RUNNEL_VISIBLE NamedChannel : public Named {
public:
    NamedChannel(std::string_view called, Kind of, ChannelState<T>& channel)
        : Named{called, of}, state{channel} {}

    void add_stats(BrokerSnapshot& snapshot, const StatsOptions& /*of groups*/) const override {
        const Lock lock{state.mutex};
        add_to(snapshot, name, state.stats());
    }
    std::size_t do_what_is_due() const noexcept override { return state.do_what_is_due(); }
    [[nodiscard]] bool has_subscribers() const noexcept override {
        const Lock lock{state.mutex};
        return state.has_direct_subscribers();
    }

    ChannelState<T>& state;
};

// A pattern of an inbox.
template <Message T>
class RUNNEL_VISIBLE PatternOf final : public Pattern {
public:
    PatternOf(std::string_view pattern, const Owner<InboxState<T>>& to)
        : Pattern{pattern, type_key<T>()}, inbox_{to} {
        inbox_->add_source();
    }

    void attach(const Named& channel, WakeChain& chain) override {
        ChannelState<T>& state = state_of(channel);
        const Owner<InboxLink<T>> link(std::in_place, Owner{state}, inbox_, &text);
        (void)state.add_link(link, chain);  // unless it is closed
    }

    void detach(const Named& channel, WakeChain& chain) noexcept override {
        state_of(channel).remove_links(*inbox_.get(), &text, chain);
    }

    [[nodiscard]] bool is_connected() const noexcept override { return inbox_->is_connected(); }

    void end(WakeChain& chain) noexcept override { inbox_->remove_source(chain); }

private:
    [[nodiscard]] static ChannelState<T>& state_of(const Named& channel) noexcept {
        return static_cast<const NamedChannel<T>&>(channel).state;
    }

    const Owner<InboxState<T>> inbox_;
};

// The patterns that an inbox has subscribed to, for as long as this lives.
class RUNNEL_VISIBLE PatternSubscription final : public Owned {
public:
    explicit PatternSubscription(BrokerState& broker) noexcept : broker_{broker} {}
    ~PatternSubscription() override {
        for (const auto& [text, pattern] : patterns_) broker_->remove(*pattern.get());
    }

    // Does nothing if the pattern is there already.
    template <Message T>
    void add(std::string_view pattern, const Owner<InboxState<T>>& inbox) {
        if (patterns_.contains(pattern)) return;
        const Owner<PatternOf<T>> made(std::in_place, pattern, inbox);
        const auto [at, is_new] = patterns_.emplace(made->text, Owner<Pattern>{*made.get()});
        broker_->add(at->second);
    }

private:
    const Owner<BrokerState> broker_;
    std::map<std::string_view, Owner<Pattern>> patterns_;  // by their texts
};

}  // namespace runnel::inline v0::detail

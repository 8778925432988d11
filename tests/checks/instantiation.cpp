// SPDX-License-Identifier: MIT
// Compiles every member of every public class template that its T allows, whether a test calls it
// or not, for a T that can only be moved, one that can be copied, and one that is over-aligned.
#include <runnel/runnel.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace runnel::inline v0::checks {

struct MoveOnly {
    MoveOnly() = default;
    MoveOnly(MoveOnly&&) noexcept = default;
    MoveOnly& operator=(MoveOnly&&) = delete;
};

struct Copyable {
    std::string text;

    friend bool operator==(const Copyable&, const Copyable&) = default;
};

struct alignas(128) Wide {
    std::uint64_t number = 0;
};

// Its address is what std::addressof() says.
struct NoAddress {
    int number = 0;

    void operator&() const = delete;
    void operator,(int) const = delete;
};

// A key that has a hash and a comparison of its own.
struct Key {
    Copyable name;
};
struct KeyHash {
    std::size_t operator()(const Key& key) const { return key.name.text.size(); }
};
struct KeyEqual {
    bool operator()(const Key& one, const Key& other) const { return one.name == other.name; }
};

// Functions that are called with a message.
struct Look {
    template <typename T>
    void operator()(const T& /*message*/) const {}
};
struct LookOnce {
    template <typename T>
    void operator()(const T& /*message*/, Connection& connection) const {
        connection.disconnect();
    }
};

}  // namespace runnel::inline v0::checks

namespace runnel::inline v0 {

// NOLINTBEGIN(bugprone-macro-parentheses): names of types
#define RUNNEL_INSTANTIATE(T)                                                                      \
    template class BlockingList<T>;                                                                \
    template class Popped<T>;                                                                      \
    template class PoppedFrom<T>;                                                                  \
    template class Batch<T>;                                                                       \
    template PoppedFrom<T> pop_first(std::span<const BlockingList<T>>, const FirstOptions&);       \
    template PoppedFrom<T> pop_first(const std::vector<BlockingList<T>>&, const FirstOptions&);    \
    template PoppedFrom<T> pop_first(std::initializer_list<BlockingList<T>>, const FirstOptions&); \
    template Awaitable<detail::PopFirstRecipe<T>> async_pop_first(                                 \
        std::span<const BlockingList<T>>, const FirstOptions&);                                    \
    template Awaitable<detail::PopFirstRecipe<T>> async_pop_first(                                 \
        const std::vector<BlockingList<T>>&, const FirstOptions&);                                 \
    template Awaitable<detail::PopFirstRecipe<T>> async_pop_first(                                 \
        std::initializer_list<BlockingList<T>>, const FirstOptions&);                              \
                                                                                                   \
    template class Stream<T>;                                                                      \
    template StreamId Stream<T>::add(std::chrono::sys_days, T&&) const;                            \
    template class Cursor<T>;                                                                      \
    template class Entry<T>;                                                                       \
    template class Entries<T>;                                                                     \
    template class KeptEntry<T>;                                                                   \
    template class FoundEntry<T>;                                                                  \
    template std::tuple_element_t<0, Entry<T>> get<0>(const Entry<T>&) noexcept;                   \
    template std::tuple_element_t<1, Entry<T>> get<1>(const Entry<T>&) noexcept;                   \
    template struct ReadPlace<T>;                                                                  \
    template struct EntriesOf<T>;                                                                  \
    template Batch<EntriesOf<T>> read_first(std::span<const ReadPlace<T>>, const ReadOptions&);    \
    template Batch<EntriesOf<T>> read_first(const std::vector<ReadPlace<T>>&, const ReadOptions&); \
    template Batch<EntriesOf<T>> read_first(std::initializer_list<ReadPlace<T>>,                   \
                                            const ReadOptions&);                                   \
                                                                                                   \
    template class ConsumerGroup<T>;                                                               \
    template class Consumer<T>;                                                                    \
    template class Delivery<T>;                                                                    \
    template Ack Delivery<T>::forward<T>(const Stream<T>&, T&&) const;                             \
    template class Deliveries<T>;                                                                  \
    template std::tuple_element_t<0, Delivery<T>> get<0>(const Delivery<T>&) noexcept;             \
    template std::tuple_element_t<1, Delivery<T>> get<1>(const Delivery<T>&) noexcept;             \
    template std::tuple_element_t<2, Delivery<T>> get<2>(const Delivery<T>&) noexcept;             \
    template class DeadLetters<T>;                                                                 \
    template struct WorkerOptions<T>;                                                              \
    template class Worker<T>;                                                                      \
    template Worker<T>::Worker(const Stream<T>&, std::string_view, checks::Look, WorkerOptions<T>, \
                               detail::Caller);                                                    \
    template class GroupBackend<T>;                                                                \
    template class Once<T>;                                                                        \
    template class KeyOrder<T>;                                                                    \
    template struct DeadLetter<T>;                                                                 \
    template struct RedriveOptions<T>;                                                             \
                                                                                                   \
    template class Channel<T>;                                                                     \
    template struct ChannelOptions<T>;                                                             \
    template Connection Channel<T>::on_message(checks::Look, HandlerOptions) const;                \
    template Connection Channel<T>::on_message(checks::LookOnce, HandlerOptions) const;            \
    template class Subscription<T>;                                                                \
    template class Messages<T>;                                                                    \
    template class Inbox<T>;                                                                       \
    template struct InboxMessage<T>;                                                               \
    template class InboxMessages<T>;                                                               \
                                                                                                   \
    template BlockingList<T> Broker::list(std::string_view, const ListOptions&) const;             \
    template BlockingList<T> Broker::list(std::string_view) const;                                 \
    template Stream<T> Broker::stream(std::string_view, const StreamOptions&) const;               \
    template Stream<T> Broker::stream(std::string_view) const;                                     \
    template std::optional<BlockingList<T>> Broker::find_list(std::string_view) const;             \
    template std::optional<Stream<T>> Broker::find_stream(std::string_view) const;                 \
    template Channel<T> Broker::channel(std::string_view, const ChannelOptions<T>&) const;         \
    template Channel<T> Broker::sharded_channel(std::string_view, const ChannelOptions<T>&) const; \
    template std::optional<Channel<T>> Broker::find_channel(std::string_view) const;               \
    template std::optional<Channel<T>> Broker::find_sharded_channel(std::string_view) const;       \
    template Inbox<T> Broker::subscribe(const Topics&) const;                                      \
    template Published Broker::publish(std::string_view, T&&, const WaitOptions&) const;           \
                                                                                                   \
    template Watch::Watch(const BlockingList<T>&);                                                 \
    template Watch::Watch(Cursor<T>&, detail::Caller);                                             \
    template Watch::Watch(const Consumer<T>&, detail::Caller);                                     \
    template Watch::Watch(Subscription<T>&, detail::Caller);                                       \
    template Watch::Watch(Inbox<T>&, detail::Caller);
// NOLINTEND(bugprone-macro-parentheses)

RUNNEL_INSTANTIATE(checks::MoveOnly)
RUNNEL_INSTANTIATE(checks::Copyable)
#ifdef __clang__  // which takes a third of the time
RUNNEL_INSTANTIATE(checks::Wide)
RUNNEL_INSTANTIATE(checks::NoAddress)
#endif

template class Deduplicator<std::uint64_t>;
template class Deduplicator<std::string>;
template class Deduplicator<checks::Key, checks::KeyHash, checks::KeyEqual>;

template class Popped<bool>;  // an element of a vector of them is no object
template class Batch<bool>;
template Published Broker::publish(std::string_view, const checks::Copyable&,
                                   const WaitOptions&) const;
template Published Broker::publish(std::string_view, const checks::Wide&, const WaitOptions&) const;

}  // namespace runnel::inline v0

// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/entries.hpp>
#include <runnel/inbox.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>

#include <string>
#include <vector>

using List = runnel::BlockingList<std::string>;
using Stream = runnel::Stream<std::string>;
using Consumer = runnel::Consumer<std::string>;

const std::string& popped(const List& list) {
    const auto text = list.pop_front();
    return *text;  // refused
}

const std::string* pointer(const List& list) {
    const auto text = list.pop_front();
    return text.operator->();  // refused
}

const std::string& popped_of_many(const List& list) {
    const auto texts = list.pop_front_many(2);
    return texts[1];  // refused
}

const std::string& found(const Stream& stream) {
    const auto entry = stream.find({1});
    return entry->value();  // refused
}

const std::string& kept(const Stream& stream) {
    const auto entry = *stream.find({1});
    return entry.value();  // refused
}

runnel::Entry<std::string> entry(const Stream& stream) {
    const auto batch = stream.range();
    return batch.front();  // refused
}

runnel::Entries<std::string>::Iterator iterator(const Stream& stream) {
    const auto batch = stream.range();
    return batch.begin();  // refused
}

const runnel::Delivery<std::string>& delivery(const Consumer& consumer) {
    const auto batch = consumer.try_read();
    return batch[0];  // refused
}

const std::vector<runnel::StreamId>& lost(const Consumer& consumer) {
    const auto batch = consumer.history();
    return batch.lost();  // refused
}

const std::string& message(runnel::Subscription<std::string>& subscription) {
    const auto batch = subscription.try_read();
    return batch.back();  // refused
}

runnel::InboxMessage<std::string> in_inbox(runnel::Inbox<std::string>& inbox) {
    const auto batch = inbox.try_read();
    return batch.front();  // refused
}

const std::string& name(const Stream& stream) {
    const auto consumer = stream.group("group").consumer("ann");
    return consumer.name();  // refused
}

const std::string& channel_name() {
    const runnel::Channel<std::string> channel;
    return channel.name();  // refused
}

runnel::StreamId id(const Stream& stream) {
    const auto batch = stream.range();
    return batch.front().id;
}

runnel::KeptEntry<std::string> kept_longer(const Stream& stream) {
    const auto batch = stream.range();
    return batch.front().keep();
}

std::string text(const List& list) {
    auto popped = list.pop_front();
    return *popped;
}

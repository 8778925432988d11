// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/entries.hpp>
#include <runnel/inbox.hpp>
#include <runnel/stream.hpp>

#include <string>

namespace {

struct Order {
    std::string fruit;
};

[[maybe_unused]] void use(const runnel::BlockingList<Order>& list,
                          const runnel::Stream<Order>& stream,
                          const runnel::Consumer<Order>& consumer,
                          runnel::Subscription<Order>& subscription, runnel::Inbox<Order>& inbox) {
    [[maybe_unused]] const Order& value = stream.find({1})->value();          // refused
    [[maybe_unused]] const std::string& fruit = list.try_pop_front()->fruit;  // refused
    [[maybe_unused]] const auto popped = list.try_pop_front_many(2).begin();  // refused
    [[maybe_unused]] const auto entry = stream.range().front();               // refused
    [[maybe_unused]] const auto& delivery = consumer.try_read()[0];           // refused
    [[maybe_unused]] const Order& message = subscription.try_read().front();  // refused
    [[maybe_unused]] const auto in_inbox = inbox.try_read()[0];               // refused

    const auto batch = stream.range();
    [[maybe_unused]] const Order& of_kept = batch.front().keep().value();        // refused
    [[maybe_unused]] const std::string& of_entry = batch.front().keep()->fruit;  // refused

    [[maybe_unused]] const Order& front = *list.try_pop_front();
    [[maybe_unused]] const Order& second = list.try_pop_front_many(2)[1];
    [[maybe_unused]] const auto found = stream.find({1});
    [[maybe_unused]] const Order& of_found = found->value();
    [[maybe_unused]] const auto kept = *stream.find({1});
    for ([[maybe_unused]] const auto& one : consumer.try_read()) continue;
    for ([[maybe_unused]] const auto& id : consumer.try_read().lost()) continue;
}

}  // namespace

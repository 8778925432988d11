// SPDX-License-Identifier: MIT
#pragma once

// All of runnel.

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/ack.hpp>
#include <runnel/awaitable.hpp>
#include <runnel/backoff.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/consumer.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/cursor.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/deduplicator_options.hpp>
#include <runnel/delivery.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/duration.hpp>
#include <runnel/entries.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/glob.hpp>
#include <runnel/group_options.hpp>
#include <runnel/handled.hpp>
#include <runnel/histogram.hpp>
#include <runnel/inbox.hpp>
#include <runnel/key_slot.hpp>
#include <runnel/lag_monitor.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/messages.hpp>
#include <runnel/model.hpp>
#include <runnel/options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/pollable.hpp>
#include <runnel/prometheus.hpp>
#include <runnel/rates.hpp>
#include <runnel/read_first.hpp>
#include <runnel/runner.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/stream_options.hpp>
#include <runnel/subscription.hpp>
#include <runnel/wait_any.hpp>
#include <runnel/worker.hpp>

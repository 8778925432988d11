// SPDX-License-Identifier: MIT
#pragma once

// The reads of a stream that may wait, for those who wait without a thread.

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/stream/stream_requests.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace runnel::inline v0::detail {

// Reads what follows `after`.
template <Message T, typename Batch>
struct ReadAfterRecipe {
    class Request;
    using Place = StreamPlace<T, Request>;

    class Request : public ReadOn<T, Batch> {
    public:
        explicit Request(const ReadAfterRecipe& recipe) noexcept
            : ReadOn<T, Batch>{cursor_, recipe.count, true, recipe.keep->clock} {}

        [[nodiscard]] bool begin(StreamState<T>& stream, From from) RUNNEL_EXCLUDES(stream.mutex) {
            const Lock lock{stream.mutex};
            cursor_.reset(from.id().value_or(stream.log.last_id()), stream.log);
            return this->attempt(stream, nullptr) != Served::no;
        }

        static void take(Place& /*it is taken*/) noexcept {}
        static void give_back(Place& /*it stays in the stream*/) noexcept {}

    private:
        LogCursor<T> cursor_;
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *keep.get()}; }

    [[nodiscard]] bool try_now(Request& request) const { return request.begin(*keep.get(), after); }

    Owner<StreamState<T>> keep;
    From after;
    std::size_t count;
};

// Reads on from where a cursor stands. Borrows that, as a Reader, which is Cursor<T>.
template <Message T, typename Reader, typename Batch>
struct ReadOnRecipe {
    class Request;
    using Place = StreamPlace<T, Request>;

    class Request : public ReadOn<T, Batch> {
    public:
        explicit Request(const ReadOnRecipe& recipe) noexcept
            : ReadOn<T, Batch>{*recipe.reader.cursor_, recipe.count, false,
                               recipe.reader.stream_->clock},
              reader_{recipe.reader} {}

        void take(Place& /*it is taken*/) noexcept { reader_.note_wait(); }
        static void give_back(Place& /*it counts as read*/) noexcept {}

    private:
        Reader& reader_;
    };

    [[nodiscard]] Place place(Request& request) const noexcept {
        return {request, *reader.stream_.get()};
    }

    [[nodiscard]] bool try_now(Request& request) const noexcept {
        request.entries = reader.at_hand_here_or_next(count);
        return static_cast<bool>(request.entries);
    }

    Reader& reader;
    std::size_t count;
};

// Reads what a group has not delivered yet. It has no try_now(): what it does at once may end turns
// and make room for others, and its place sees to that.
template <Message T, typename Batch>
struct ReadNewRecipe {
    class Place;

    class Request : public ReadNew<T, Batch> {
        using Base = ReadNew<T, Batch>;

    public:
        explicit Request(const ReadNewRecipe& recipe) noexcept
            : Base{batch_,
                   {recipe.id, recipe.name},
                   recipe.max_pending,
                   {.count = recipe.count,
                    .acknowledged = recipe.acknowledged,
                    .claim_count = recipe.claim_count},
                   recipe.min_idle,
                   recipe.group->stream->clock} {}

        void prepare_to_wait() noexcept { this->begin_to_wait(); }  // the recipe keeps the name

        // What it throws ends the request, as if a waker had run it: see result().
        Served attempt(StreamState<T>& stream, StreamGroup<T>* of) noexcept
            RUNNEL_REQUIRES(stream.mutex) {
            try {
                return Base::attempt(stream, of);
            } catch (...) {
                return this->claim(WaitEnd::failed) ? Served::yes : Served::elsewhere;
            }
        }

        // Calls `step`, which may run out of memory. If the batch tells of something lost already,
        // it ends there, as that of a thread does.
        template <typename Step>
        void keep_lost(Step step) const {
            try {
                step();
            } catch (const std::bad_alloc&) {
                if (batch_.lost().empty()) throw;
            }
        }

        static void take(Place& /*it is taken*/) noexcept {}
        static void give_back(Place& /*it stays pending*/) noexcept {}

        // Throws: std::bad_alloc, unless the batch tells of something lost.
        [[nodiscard]] Batch result() {
            keep_lost([this] { this->tell_end(); });
            return std::move(batch_);
        }

    private:
        Batch batch_{Ending::timed_out};
    };

    class Place : public StreamPlace<T, Request> {
    public:
        Place(Request& request, StreamGroup<T>& in) noexcept
            : StreamPlace<T, Request>{request, *in.stream.get(), &in}, request_{request} {}

        void leave() {
            request_.keep_lost([this] { StreamPlace<T, Request>::leave(); });
        }

    private:
        Request& request_;
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *group.get()}; }

    Owner<StreamGroup<T>> group;
    ConsumerId id;
    std::string name;
    std::size_t max_pending;
    std::size_t count;
    bool acknowledged;
    std::optional<Milliseconds> min_idle;  // nothing: it claims nothing
    std::size_t claim_count;
};

}  // namespace runnel::inline v0::detail

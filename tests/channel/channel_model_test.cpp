// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/channel_reference.hpp"
#include "support/expect.hpp"
#include "support/lifetime.hpp"
#include "support/sequences.hpp"
#include "support/story.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Behind;
using runnel::ByteBound;
using runnel::Channel;
using runnel::Connection;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Inbox;
using runnel::InboxMessages;
using runnel::InboxOptions;
using runnel::ManualClock;
using runnel::Messages;
using runnel::Published;
using runnel::Push;
using runnel::ReadOptions;
using runnel::SubscribeOptions;
using runnel::Subscription;
using runnel::test::Census;
using runnel::test::ChannelReference;
using runnel::test::check_occurred;
using runnel::test::Deed;
using runnel::test::expect;
using runnel::test::Expected;
using runnel::test::first_echo;
using runnel::test::HandlerReference;
using runnel::test::InboxReference;
using runnel::test::Leaves;
using runnel::test::makes_leave;
using runnel::test::Moment;
using runnel::test::Random;
using runnel::test::run_sequences;
using runnel::test::Sent;
using runnel::test::Story;
using runnel::test::Tally;
using runnel::test::ViewReference;
using runnel::test::weight_of;

namespace {

using Item = runnel::test::MoveOnly;

const char* name_of(Sent sent) {
    constexpr std::array names{"done", "full", "closed"};
    return names[static_cast<std::size_t>(sent)];
}

const char* name_of(Leaves leaves) {
    constexpr std::array names{"never", "after one", "by itself", "with its owner"};
    return names[static_cast<std::size_t>(leaves)];
}

const char* name_of(Behind behind) {
    constexpr std::array names{"skip_oldest", "drop_newest", "disconnect", "block"};
    return names[static_cast<std::size_t>(behind)];
}

const char* name_of(Ending ending) {
    constexpr std::array names{"none", "stopped", "closed", "full", "gone", "disconnected"};
    return names[static_cast<std::size_t>(ending)];
}

// Random operations, one after the other, on two channels and on what they have to be; after each
// one both must look the same.
class Sequence {
public:
    Sequence(std::uint64_t seed, std::uint64_t number, Tally& counts, bool tells = false)
        : random_{seed, number}, tally_{counts}, story_{tells} {
        constexpr std::array<std::size_t, 4> bounds{1, 3, 8, 70};
        bound_ = random_.one_of(bounds);
        most_at_once_ = random_.percent(10) ? 150 : bound_ > 8 ? 30 : 4;
        for (std::size_t at = 0; at != sites_.size(); ++at) {
            sites_[at].model.number = at;
            make_channel(sites_[at]);
        }
        for (auto& inbox : inboxes_) make_inbox(inbox);
    }

    void run(std::size_t steps) {
        for (std::size_t step = 0; step != steps; ++step) {
            one_step();
            compare_all();
        }
        finish();
    }

    // The last operations.
    [[nodiscard]] std::string story() const {
        std::ostringstream out;
        out << story_;
        return out.str();
    }

private:
    struct View {
        Subscription<Item> real;
        std::shared_ptr<ViewReference> model;
        std::size_t site;
    };
    struct Handler {
        Connection real;
        int name;
        std::shared_ptr<int> owner;
    };
    struct Site {
        std::optional<Channel<Item>> real;
        ChannelReference model;
        std::vector<Handler> handlers;
        std::vector<Deed> log;
    };
    struct Box {
        std::optional<Inbox<Item>> real;
        std::shared_ptr<InboxReference> model;
    };
    template <typename Batch>
    struct Held {
        Batch batch;
        std::vector<int> values;
    };

    struct Operation {
        std::size_t weight;
        void (Sequence::*carry_out)();
    };

    void one_step() {
        static constexpr std::array operations{
            Operation{50, &Sequence::publish},    Operation{7, &Sequence::subscribe},
            Operation{40, &Sequence::read},       Operation{3, &Sequence::unsubscribe},
            Operation{4, &Sequence::connect},     Operation{3, &Sequence::disconnect},
            Operation{5, &Sequence::join},        Operation{3, &Sequence::leave},
            Operation{16, &Sequence::read_inbox}, Operation{1, &Sequence::replace_inbox},
            Operation{6, &Sequence::move_time},   Operation{12, &Sequence::let_go}};
        if (random_.below(700) == 0) return close();
        std::size_t all = 0;
        for (const Operation& each : operations) all += each.weight;
        std::size_t dice = random_.below(all);
        const Operation* chosen = operations.data();
        for (; dice >= chosen->weight; ++chosen) dice -= chosen->weight;
        (this->*chosen->carry_out)();
    }

    // ------------------------------------------------------------------ publishing

    void publish() {
        Site& site = random_.one_of(sites_);
        for (auto left = 1 + random_.below(most_at_once_); left != 0; --left) {
            const int value = ++last_value_;
            const bool may_wait = random_.percent(50);
            const auto expected = site.model.publish(value, now());
            Item item{value};
            const auto real = publish(*site.real, std::move(item), may_wait);
            tell("publish ", value, " in ", site.model.number, ": ", name_of(expected.sent), ", ",
                 expected.reached);
            tally_.add(may_wait ? "publish" : "try_publish",
                       expected.sent == Sent::done && expected.reached == 0
                           ? "nobody"
                           : name_of(expected.sent));
            expect("what becomes of a message, and how many it reaches", real == expected);
            expect("a refused message is untouched, and no other one",
                   expected.sent != Sent::done ? item.get() == value
                                               : expected.reached == 0 || is_gone(site, item));
            compare_log(site);
        }
    }

    // To handlers alone it goes out of the publisher's hands.
    [[nodiscard]] static bool is_gone(const Site& site, const Item& item) {
        return item.get() == Item::moved_from || !site.handlers.empty();
    }

    static ChannelReference::Result publish(const Channel<Item>& channel, Item&& item,
                                            bool may_wait) {
        const Published published = may_wait ? channel.publish(std::move(item), {.timeout = 0s})
                                             : channel.try_publish(std::move(item));
        if (published.ending == Push::done) return {Sent::done, published.reached};
        return {published.ending == Push::closed ? Sent::closed : Sent::full, published.reached};
    }

    void compare_log(Site& site) {
        for (const Deed& deed : site.log)
            if (deed.value >= first_echo && deed.sent != Sent::done)
                tally_.add("echo", name_of(deed.sent));
        tally_.add("handled", "", site.log.size());
        expect("what the handlers do, and in which order", site.log == site.model.log);
        site.log.clear();
        site.model.log.clear();
    }

    void connect() {
        Site& site = random_.one_of(sites_);
        std::erase_if(site.handlers, [](const auto& each) { return !each.real.connected(); });
        if (site.handlers.size() == 3) return;
        const HandlerReference made{++last_handler_,
                                    1 + random_.below(4),
                                    random_.percent(30) ? static_cast<int>(random_.below(5)) : 0,
                                    random_.percent(50),
                                    site.model.published,
                                    static_cast<Leaves>(random_.below(4))};
        tell("connect ", made.name, " to ", site.model.number, ", bound ", made.bound, ", ",
             made.echoes, " echoes, leaves ", name_of(made.leaves));
        tally_.add("connect", site.model.closed ? "closed" : "done");
        tally_.add("leaves", name_of(made.leaves));
        std::optional<ErrorCode> refused;
        try {
            auto owner = made.leaves == Leaves::with_its_owner ? std::make_shared<int>(0) : nullptr;
            site.handlers.push_back({on_message(site, made, owner), made.name, owner});
            site.model.handlers.push_back(made);
        } catch (const Error& error) {
            refused = error.code();
        }
        expect_closed(site, refused);
    }

    static Connection on_message(Site& site, const HandlerReference& made,
                                 const std::shared_ptr<int>& owner) {
        if (made.leaves == Leaves::by_itself) {
            const auto handler = [&site, made](const Item& item, Connection& own) {
                handle(site, made, item.get());
                if (makes_leave(item.get())) own.disconnect();
            };
            return site.real->on_message(handler, {.bound = made.bound});
        }
        return site.real->on_message(
            [&site, made](const Item& item) { handle(site, made, item.get()); },
            {.bound = made.bound, .owner = owner, .once = made.leaves == Leaves::after_one});
    }

    static void handle(Site& site, const HandlerReference& self, int value) {
        site.log.push_back({self.name, value});
        if (value >= first_echo || value % 3 != 0) return;
        for (int echo = 1; echo <= self.echoes; ++echo) {
            Item answer{first_echo + value + echo};
            const auto result = publish(*site.real, std::move(answer), self.may_wait);
            site.log.push_back({self.name, first_echo + value + echo, result.sent, result.reached});
        }
    }

    // Or destroys what it belongs to.
    void disconnect() {
        Site& site = random_.one_of(sites_);
        if (site.handlers.empty()) return;
        const std::size_t at = random_.below(site.handlers.size());
        Handler& handler = site.handlers[at];
        if (handler.owner != nullptr && random_.percent(70)) {
            tell("the owner of ", handler.name, " goes");
            handler.owner.reset();
            for (HandlerReference& each : site.model.handlers)
                if (each.name == handler.name) each.is_owner_gone = true;
            return;
        }
        tell("disconnect ", handler.name);
        tally_.add("disconnect handler", "done");
        site.model.disconnect(handler.name);
        site.handlers.erase(site.handlers.begin() + static_cast<std::ptrdiff_t>(at));
    }

    static void expect_closed(const Site& site, std::optional<ErrorCode> refused) {
        const auto expected = site.model.closed ? std::optional{ErrorCode::closed} : std::nullopt;
        expect("a closed channel refuses subscribers, and no other one", refused == expected);
    }

    // ------------------------------------------------------------------ subscriptions

    [[nodiscard]] ByteBound some_bytes(Behind behind) {
        ByteBound bytes;
        if (random_.percent(40)) bytes.hard = 1 + random_.below(5 * bound_);
        if (behind != Behind::disconnect || random_.percent(50)) return bytes;
        bytes.soft = 1 + random_.below(3 * bound_);
        bytes.soft_for = std::chrono::seconds{random_.below(3) * 10};
        return bytes;
    }

    void subscribe() {
        const std::size_t number = random_.below(sites_.size());
        Site& site = sites_[number];
        if (views_.size() == 7) views_.erase(views_.begin() + drop_view(random_.below(7)));
        constexpr std::array kinds{Behind::skip_oldest, Behind::skip_oldest, Behind::disconnect,
                                   Behind::block};
        SubscribeOptions options{.bound = 1 + random_.below(bound_),
                                 .when_behind = random_.one_of(kinds)};
        options.bytes = some_bytes(options.when_behind);
        tell("subscribe to ", number, ", ", name_of(options.when_behind), ", bound ", options.bound,
             ", hard ", options.bytes.hard, ", soft ", options.bytes.soft);
        tally_.add("subscribe", site.model.closed ? "closed" : name_of(options.when_behind));
        std::optional<ErrorCode> refused;
        try {
            auto model = std::make_shared<ViewReference>(options);
            views_.push_back({site.real->subscribe(options), model, number});
            site.model.views.push_back(std::move(model));
        } catch (const Error& error) {
            refused = error.code();
        }
        expect_closed(site, refused);
    }

    void unsubscribe() {
        if (views_.empty()) return;
        const auto at = drop_view(random_.below(views_.size()));
        tell("unsubscribe from ", views_[static_cast<std::size_t>(at)].site);
        tally_.add("unsubscribe", "done");
        views_.erase(views_.begin() + at);
    }

    std::ptrdiff_t drop_view(std::size_t at) {
        std::erase(sites_[views_[at].site].model.views, views_[at].model);
        return static_cast<std::ptrdiff_t>(at);
    }

    void read() {
        if (views_.empty()) return;
        read(random_.one_of(views_));
    }

    void read(View& view) {
        const ReadOptions options{.count = some_count(), .timeout = 0s};
        const Expected expected = view.model->look(options.count, is_closed(view.site));
        const bool may_wait = random_.percent(50);
        auto real = may_wait ? view.real.read(options) : view.real.try_read(options);
        tell(name_of(view.model->options.when_behind), " in ", view.site, " reads ", options.count,
             " of ", view.model->waiting.size(), ": ", real.size(), ", missed ", real.missed());
        tally(name_of(view.model->options.when_behind), real, real.missed());
        expect("whether there is something to read", !real == expected.values.empty());
        if (!real) expect("how a read ends", real.ending() == expected.ending);
        expect("how many were missed", real.missed() == expected.missed);
        // It may stop at the end of a block.
        expect("how many are read", real.size() <= expected.values.size());
        Held<Messages<Item>> held{std::move(real), expected.values};
        held.values.resize(held.batch.size());
        check(held);
        view.model->took(held.values.size(), expected.missed, now());
        if (held.batch && random_.percent(30) && batches_.size() < 6)
            batches_.push_back(std::move(held));
    }

    [[nodiscard]] bool is_closed(std::size_t site) const {
        return !sites_[site].real || sites_[site].model.closed;
    }

    // ------------------------------------------------------------------ inboxes

    void make_inbox(Box& box) {
        constexpr std::array kinds{Behind::drop_newest, Behind::drop_newest, Behind::disconnect};
        InboxOptions options{.bound = 1 + random_.below(2 * bound_),
                             .when_behind = random_.one_of(kinds),
                             .clock = &clock_};
        options.bytes = some_bytes(options.when_behind);
        tell("an inbox, ", name_of(options.when_behind), ", bound ", options.bound, ", hard ",
             options.bytes.hard, ", soft ", options.bytes.soft);
        box.model = std::make_shared<InboxReference>(options);
        if (box.real) {
            box.real = Inbox<Item>{options};
        } else {
            box.real.emplace(options);
        }
    }

    void replace_inbox() {
        Box& box = random_.one_of(inboxes_);
        tally_.add("replace inbox", "done");
        for (Site& site : sites_) std::erase(site.model.links, box.model);
        make_inbox(box);
    }

    void join() {
        Box& box = random_.one_of(inboxes_);
        Site& site = random_.one_of(sites_);
        if (site.model.links.size() == 4) return;
        tell("an inbox joins ", site.model.number);
        tally_.add("join", site.model.closed ? "closed" : "done");
        std::optional<ErrorCode> refused;
        try {
            box.real->join(*site.real);
            site.model.links.push_back(box.model);
            ++box.model->sources;
        } catch (const Error& error) {
            refused = error.code();
        }
        expect_closed(site, refused);
    }

    void leave() {
        Box& box = random_.one_of(inboxes_);
        Site& site = random_.one_of(sites_);
        const std::size_t times = std::erase(site.model.links, box.model);
        box.model->sources -= times;
        tell("an inbox leaves ", site.model.number, ": ", times);
        tally_.add("leave", times == 0 ? "none" : times == 1 ? "once" : "several");
        expect("leave()", box.real->leave(*site.real) == (times != 0));
    }

    void read_inbox() { read(random_.one_of(inboxes_)); }

    void read(Box& box) {
        InboxReference& model = *box.model;
        const ReadOptions options{.count = some_count(), .timeout = 0s};
        auto real = random_.percent(50) ? box.real->read(options) : box.real->try_read(options);
        tell("an inbox reads ", options.count, " of ", model.waiting.size(), ": ", real.size());
        tally("inbox", real, real.missed());
        if (!real) expect("how a read of an inbox ends", real.ending() == model.ending());
        expect("how many an inbox reads",
               real.size() == std::min(options.count, model.waiting.size()));
        std::uint64_t missed = 0;
        Held<InboxMessages<Item>> held{std::move(real), {}};
        for (std::size_t at = 0; at != held.batch.size(); ++at) {
            const auto& item = model.waiting[at];
            held.values.push_back(item.value);
            expect("what an inbox has missed before it", held.batch[at].missed == item.missed);
            expect("where it comes from", held.batch[at].channel == names_[item.channel]);
            missed += item.missed;
        }
        expect("what an inbox has missed before these", held.batch.missed() == missed);
        check(held);
        model.took(held.values.size(), now());
        if (held.batch && random_.percent(30) && inbox_batches_.size() < 6)
            inbox_batches_.push_back(std::move(held));
    }

    // ------------------------------------------------------------------ others

    void move_time() {
        tally_.add("move time", "done");
        clock_.advance(std::chrono::seconds{1 + random_.below(15)});
    }

    void let_go() {
        const auto drop_one = [this](auto& batches) {
            if (batches.empty()) return;
            const std::size_t at = random_.below(batches.size());
            check(batches[at]);
            batches.erase(batches.begin() + static_cast<std::ptrdiff_t>(at));
        };
        tally_.add("let go", batches_.empty() && inbox_batches_.empty() ? "none" : "done");
        drop_one(batches_);
        drop_one(inbox_batches_);
    }

    void close() {
        Site& site = random_.one_of(sites_);
        tell("close ", site.model.number);
        tally_.add("close", site.model.closed ? "again" : "done");
        site.real->close();
        site.model.close();
    }

    void make_channel(Site& site) {
        site.real.emplace(
            runnel::ChannelOptions<Item>{
                .weigh = [](const Item& item) { return weight_of(item.get()); }, .clock = &clock_},
            names_[site.model.number]);
    }

    [[nodiscard]] Moment now() const { return clock_.now().time_since_epoch(); }

    [[nodiscard]] std::size_t some_count() {
        return random_.percent(30) ? ReadOptions{}.count : 1 + random_.below(2 * bound_);
    }

    template <typename Batch>
    void tally(const char* who, const Batch& real, std::uint64_t missed) {
        tally_.add(who, real ? "some" : name_of(real.ending()));
        if (missed != 0) tally_.add(who, "missed");
    }

    static int value_of(const Item& item) { return item.get(); }
    static int value_of(const runnel::InboxMessage<Item>& message) { return message.value.get(); }

    template <typename Batch>
    static void check(const Held<Batch>& held) {
        auto expected = held.values.begin();
        expect("the size of a batch", held.batch.size() == held.values.size());
        for (const auto& each : held.batch)
            expect("what a batch shows", value_of(each) == *expected++);
    }

    // ------------------------------------------------------------------ as a whole

    void compare_all() const {
        for (const View& view : views_) compare(view);
        for (const Box& box : inboxes_) {
            expect("what an inbox has missed", box.real->missed() == box.model->missed);
            expect("whether an inbox is connected", box.real->connected() == box.model->connected);
        }
        for (const Site& site : sites_)
            if (site.real) compare(site);
        expect("no value is used after its death", census_.faults() == 0);
    }

    static void compare(const View& view) {
        expect("what a subscription has missed", view.real.missed() == view.model->told);
        expect("whether it is connected", view.real.connected() == view.model->connected);
    }

    static void compare(const Site& site) {
        const ChannelReference& model = site.model;
        const auto info = site.real->info();
        const std::size_t inboxes = model.connected_inboxes();
        expect("info().published", info.published == model.published);
        expect("info().subscriptions", info.subscriptions == model.views.size());
        expect("info().handlers", info.handlers == model.handlers.size());
        expect("info().inboxes", info.inboxes == inboxes);
        expect("info().waiting", info.waiting == 0);
        expect("info().refused", info.refused == model.refused);
        for (const Handler& handler : site.handlers)
            expect("connected()", handler.real.connected() == model.has_handler(handler.name));
        expect("subscribers()",
               site.real->subscribers() == model.views.size() + model.handlers.size() + inboxes);
        expect("closed()", site.real->closed() == model.closed);
        std::size_t least = 0;
        std::size_t most = 0;
        for (const auto& view : model.views) {
            least = std::max(least, view->waiting.size());
            most = std::max(most, view->options.bound);
        }
        for (const auto& handler : model.handlers) most = std::max(most, handler.bound + 1);
        expect("what waits is there", info.retained >= least);
        expect("what nobody can reach is not", info.retained <= (most == 0 ? 0 : most + 64));
    }

    void finish() {
        if (random_.percent(50)) {
            for (Site& site : sites_) {
                site.model.close();
                site.model.handlers.clear();
                site.handlers.clear();
                site.real.reset();
            }
            drain();
        }
        batches_.clear();
        inbox_batches_.clear();
        views_.clear();
        for (Box& box : inboxes_) box.real.reset();
        for (Site& site : sites_) {
            site.handlers.clear();
            site.real.reset();
        }
        expect("all values die", census_.alive() == 0 && census_.faults() == 0);
    }

    // What is left can be read when the channels are gone.
    void drain() {
        for (View& view : views_) {
            while (!view.model->waiting.empty()) read(view);
            read(view);
            compare(view);
        }
        for (Box& box : inboxes_) {
            while (!box.model->waiting.empty()) read(box);
            read(box);
        }
    }

    template <typename... Parts>
    void tell(const Parts&... parts) {
        story_.tell(parts...);
    }

    const Census census_;
    Random random_;
    Tally& tally_;
    Story story_;
    ManualClock clock_;
    std::size_t bound_ = 0;
    std::size_t most_at_once_ = 0;
    int last_value_ = 0;
    int last_handler_ = 0;
    const std::array<std::string, 2> names_{"apples", "pears"};
    std::array<Site, 2> sites_;
    std::array<Box, 2> inboxes_;
    std::vector<View> views_;
    std::vector<Held<Messages<Item>>> batches_;
    std::vector<Held<InboxMessages<Item>>> inbox_batches_;
};

}  // namespace

TEST_CASE("channels do what a queue for each subscriber would do", "[channel][model]") {
    const Tally tally = run_sequences<Sequence>("channels do what queues would do", 250);
    check_occurred(tally, {"publish", "try_publish"}, {"done", "nobody", "full", "closed"});
    check_occurred(tally, {"echo"}, {"full"});
    check_occurred(tally, {"leaves"}, {"never", "after one", "by itself", "with its owner"});
    check_occurred(tally, {"subscribe"}, {"skip_oldest", "disconnect", "block", "closed"});
    check_occurred(tally, {"skip_oldest", "disconnect", "block", "inbox"},
                   {"some", "none", "closed"});
    check_occurred(tally, {"skip_oldest", "disconnect", "inbox"}, {"missed"});
    check_occurred(tally, {"disconnect", "inbox"}, {"disconnected"});
    check_occurred(tally, {"connect", "join"}, {"done", "closed"});
    check_occurred(tally, {"leave"}, {"none", "once", "several"});
    check_occurred(tally, {"close"}, {"done", "again"});
    check_occurred(tally,
                   {"unsubscribe", "disconnect handler", "replace inbox", "move time", "let go"},
                   {"done"});
}

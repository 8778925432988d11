// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/cluster_state.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/outputs.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/value.hpp>
#include <runnel/redis/waits.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// How a command waits that finds nothing.
struct Block {
    std::vector<std::string_view> keys{};
    WaitsFor what = WaitsFor::list;
    std::optional<std::int64_t> timeout{};  // milliseconds; nothing: for ever
    Reply otherwise{};                      // between MULTI and EXEC, where nothing waits
    // By the wall clock: when it is to be carried out again, whatever happens.
    std::optional<Milliseconds> again_at{};
    // Words to put in place of others when it is carried out again: the `$` of XREAD.
    std::vector<std::pair<std::size_t, std::string>> replaced{};
};

// One execution of one command: its words, the time, the data, and what it sends besides its reply.
//
// A handler first prepares: it does all that may throw, which includes making its reply. Then it
// commits: it changes the data, which cannot fail, and tells each change. A handler that throws has
// changed nothing.
class Call {
public:
    Call(ServerState& server, SessionState& session, const CommandInfo& info, Words words,
         Milliseconds now) noexcept
        : server_{server},
          session_{session},
          info_{info},
          words_{words},
          now_{now},
          answers_{server.memory},
          outputs_{server.memory} {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        if (!parked_) return;  // it was parked, or there was none
        server_.mutex.assert_held();
        server_.forget_places(*parked_);
    }

    // ---- the words

    [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }
    [[nodiscard]] std::string_view operator[](std::size_t at) const noexcept { return words_[at]; }
    [[nodiscard]] Words words() const noexcept { return words_; }
    [[nodiscard]] Words words_from(std::size_t at) const noexcept { return words_.subspan(at); }
    // Throws: Refusal, "ERR value is not an integer or out of range".
    [[nodiscard]] std::int64_t integer(std::size_t at) const { return detail::integer(words_[at]); }
    [[nodiscard]] const CommandInfo& info() const noexcept { return info_; }
    // Whether the version that the server stands for has that option, id or field of the reply.
    [[nodiscard]] bool has(std::string_view part) const noexcept {
        return info_.has(part, server_.profile.has);
    }
    // Whether a word is that option, and the version has it.
    [[nodiscard]] bool is_option(std::string_view word, std::string_view option) const noexcept {
        return is(word, option) && has(option);
    }
    [[noreturn]] void refuse_arity() const {
        refuse("ERR wrong number of arguments for '" + std::string{info_.name} + "' command");
    }

    // ---- time: one reading for the whole command, and for all between MULTI and EXEC

    [[nodiscard]] Milliseconds now() const noexcept { return now_; }

    // ---- the data

    [[nodiscard]] SessionState& session() const noexcept { return session_; }
    [[nodiscard]] Database& database() const noexcept {
        server_.mutex.assert_held();
        return server_.database(session_.database);
    }

    // The key of that name, which is used then; null: it does not exist.
    [[nodiscard]] Database::Keys::value_type* find_key(std::string_view name) const noexcept {
        auto* const key = database().find(name);
        if (key != nullptr && is_use()) key->second.used = now_;
        if (!info_.has(Flag::write)) ++(key != nullptr ? statistics().hits : statistics().misses);
        return key;
    }
    // Its value. Null: the key does not exist. Throws: Refusal, if it holds something of another
    // kind.
    template <typename Kind>
    [[nodiscard]] Kind* find(std::string_view name) const {
        const auto* const key = find_key(name);
        return key != nullptr ? &as<Kind>(*key->second.value) : nullptr;
    }
    // The same, refused if the key does not exist.
    template <typename Kind>
    [[nodiscard]] Kind& get(std::string_view name) const {
        Kind* const found = find<Kind>(name);
        if (found == nullptr) refuse("ERR no such key");
        return *found;
    }
    // The first of these keys that is there, and its value, which is null if none is.
    template <typename Kind>
    struct First {
        std::string_view key{};
        Kind* value = nullptr;
    };
    template <typename Kind>
    [[nodiscard]] First<Kind> find_first(Words keys) const {
        for (const std::string_view key : keys)
            if (Kind* const found = find<Kind>(key)) return {key, found};
        return {};
    }
    template <typename Kind>
    [[nodiscard]] static Kind& as(Value& value) {
        if (value.type() != Kind::kind)
            refuse("WRONGTYPE Operation against a key holding the wrong kind of value");
        return static_cast<Kind&>(value);
    }

    // The value of a key that is made if it does not exist, once commit() is called.
    //
    //     auto list = call.find_or_make<ListValue>(key);   // may throw
    //     … prepare what is to be done to *list …
    //     list.commit();                                   // the key exists now, and was told
    template <typename Kind>
    class Made {
    public:
        [[nodiscard]] Kind& operator*() const noexcept { return *value_; }
        [[nodiscard]] Kind* operator->() const noexcept { return value_; }
        [[nodiscard]] bool is_new() const noexcept { return !node_.empty(); }
        void commit() noexcept {
            if (node_.empty()) return;
            (void)call_.insert(std::move(node_), call_.session().database);
        }

    private:
        friend class Call;

        Made(const Call& call, Kind& value, Database::Keys::node_type&& node) noexcept
            : call_{call}, value_{&value}, node_{std::move(node)} {}

        const Call& call_;
        Kind* value_;
        Database::Keys::node_type node_;
    };
    template <typename Kind, typename... Arguments>
    [[nodiscard]] Made<Kind> find_or_make(std::string_view name, Arguments&&... arguments) const {
        if (Kind* const found = find<Kind>(name)) return {*this, *found, {}};
        auto value = std::make_unique<Kind>(std::forward<Arguments>(arguments)...);
        Kind& made = *value;
        return {*this, made, Database::make(name, std::move(value))};
    }

    // ---- to commit

    // Puts a key into its place, and tells it. `origin`: the key that it is a copy of.
    Database::Keys::value_type& insert(Database::Keys::node_type&& node, std::size_t database,
                                       std::string_view origin = {}) const noexcept {
        node.mapped().used = now_;
        auto& key = this->database(database).insert(std::move(node));
        const ValueType type = key.second.value->type();
        tell({.what = Change::What::key_made,
              .key = key.first,
              .type = type,
              .origin = origin,
              .origin_database = session_.database},
             database);
        return key;
    }
    // Tells what was done to the data. After it was done; the names need live only as long as this.
    void tell(const Change& change) const noexcept {
        server_.mutex.assert_held();
        server_.tell(change, {session_.database});
    }
    // Removes a key, and tells it.
    void erase(Database::Keys::value_type& key) const noexcept {
        server_.mutex.assert_held();
        server_.erase(session_.database, key);
    }
    void erase(std::string_view name) const noexcept {
        if (auto* const key = find_key(name)) erase(*key);
    }

    // The same in another database.
    [[nodiscard]] Database& database(std::size_t number) const noexcept {
        server_.mutex.assert_held();
        return server_.database(number);
    }
    void swap_databases(std::size_t one, std::size_t other) const noexcept {
        server_.mutex.assert_held();
        server_.swap_databases(one, other);
    }
    void tell(const Change& change, std::size_t database) const noexcept {
        server_.mutex.assert_held();
        server_.tell(change, {database});
    }
    void erase(Database::Keys::value_type& key, std::size_t database) const noexcept {
        server_.mutex.assert_held();
        server_.erase(database, key);
    }

    // ---- what the server has besides the data

    [[nodiscard]] Settings& settings() const noexcept {
        server_.mutex.assert_held();
        return server_.settings;
    }
    [[nodiscard]] Statistics& statistics() const noexcept {
        server_.mutex.assert_held();
        return server_.statistics;
    }
    // When the server was, by the wall clock.
    [[nodiscard]] Milliseconds started() const noexcept { return server_.started; }
    [[nodiscard]] const Profile& profile() const noexcept { return server_.profile; }
    [[nodiscard]] std::size_t database_count() const noexcept {
        server_.mutex.assert_held();
        return server_.database_count();
    }
    // Of the command table, those that the version has. Throws: std::bad_alloc.
    [[nodiscard]] std::vector<const CommandInfo*> all_commands() const;
    // Null: there is none.
    [[nodiscard]] const CommandInfo* find_command(std::string_view name) const noexcept;
    [[nodiscard]] std::mt19937_64& random() const noexcept {
        server_.mutex.assert_held();
        return server_.random;
    }
    // One element, by lot. Requires: there is one.
    template <typename All>
    [[nodiscard]] const typename All::value_type& any_of(const All& all) const noexcept {
        const std::uint64_t chosen = random()() % all.size();
        return *std::next(all.begin(), static_cast<std::ptrdiff_t>(chosen));
    }
    [[nodiscard]] Subscribers& subscribers() const noexcept {
        server_.mutex.assert_held();
        return server_.subscribers;
    }
    // Null: it stands alone.
    [[nodiscard]] ClusterState* cluster() const noexcept {
        server_.mutex.assert_held();
        return server_.cluster();
    }
    // The server's number in the cluster.
    [[nodiscard]] std::size_t node() const noexcept { return server_.node(); }
    // Where clients connect to, as the server says.
    [[nodiscard]] std::string host() const {
        return cluster() != nullptr ? cluster()->map.node(node()).host : "127.0.0.1";
    }
    [[nodiscard]] std::uint16_t port() const noexcept {
        return cluster() != nullptr ? cluster()->map.node(node()).port : std::uint16_t{6379};
    }
    [[nodiscard]] std::string address() const { return host() + ':' + std::to_string(port()); }
    // Whether it shows the data of a master.
    [[nodiscard]] bool is_replica() const noexcept {
        return cluster() != nullptr && !cluster()->map.is_master(node());
    }
    // Shows `visit` who subscribes at the other nodes that get a copy of a message.
    template <typename Visit>
    void for_each_node_of(ClusterState::Bus bus, const Visit& visit) const {
        if (cluster() == nullptr) return;
        cluster()->for_each_receiver(bus, node(), [&](std::size_t to) {
            ServerState& other = cluster()->server(to);
            other.mutex.assert_held();
            visit(other.subscribers);
        });
    }
    // To commit.
    void count_copies(ClusterState::Bus bus) const noexcept {
        if (cluster() != nullptr) cluster()->count_copies(bus, node());
    }
    // Null: there is none.
    [[nodiscard]] SessionState* find_session(std::int64_t id) const noexcept {
        server_.mutex.assert_held();
        return server_.find_session(id);
    }
    // All that there are, by their ids.
    [[nodiscard]] const ServerState::Sessions& sessions() const noexcept {
        server_.mutex.assert_held();
        return server_.sessions();
    }
    // To commit: closes another session, as if it had disconnected.
    void end_session(SessionState& session) const noexcept {
        server_.mutex.assert_held();
        server_.end_session(session);
    }
    // To commit: ends the wait of a session that is parked, with that reply.
    void unblock(SessionState& session, Reply reply) const noexcept {
        server_.mutex.assert_held();
        server_.unblock(session, std::move(reply));
    }
    // Throws: std::bad_alloc, and then nothing has changed.
    void watch(std::string_view key) const {
        server_.mutex.assert_held();
        server_.watch(session_, key);
    }
    void unwatch() const noexcept {
        server_.mutex.assert_held();
        server_.unwatch(session_);
    }
    void carry_out_queued(Transaction& transaction, std::vector<Reply>& replies) noexcept {
        server_.mutex.assert_held();
        server_.carry_out_queued(*this, transaction, replies);
    }

    // ---- replies whose shape depends on the protocol of the session

    [[nodiscard]] bool is_resp3() const noexcept { return session_.is_resp3(); }
    [[nodiscard]] static Reply null() noexcept { return Reply::null(); }
    [[nodiscard]] Reply null_array() const noexcept { return session_.null_array(); }
    // Of key, value, key, value, ….
    [[nodiscard]] Reply map(std::vector<Reply> elements) const {
        return is_resp3() ? Reply::map(std::move(elements)) : Reply::array(std::move(elements));
    }
    [[nodiscard]] Reply set(std::vector<Reply> elements) const {
        return is_resp3() ? Reply::set(std::move(elements)) : Reply::array(std::move(elements));
    }
    // As a session is sent it that speaks `protocol`.
    [[nodiscard]] static Reply push(std::vector<Reply> elements, int protocol) {
        return protocol == 3 ? Reply::push(std::move(elements)) : Reply::array(std::move(elements));
    }

    // ---- what is sent besides the reply, when the command is done

    // To prepare: a push, which several sessions may be sent. `bytes`: as it counts for the limit
    // of a subscriber.
    [[nodiscard]] Output output(Reply push, std::size_t bytes) const {
        server_.mutex.assert_held();
        return Output{server_.memory.outputs, std::move(push), bytes};
    }
    // To prepare: a push for a session, which may be this one.
    void send(SessionState& to, const Output& push) { outputs_.add(to.outbox, push); }
    // For commands whose answers are pushes, such as SUBSCRIBE: to prepare, then `return
    // call.answer_with(pushes)`. Between MULTI and EXEC each is an element of its own.
    [[nodiscard]] Reply answer_with(std::vector<Reply> pushes) {
        for (Reply& push : pushes) answers_.add(session_.outbox, output(std::move(push), 0));
        has_reply_ = false;
        return {};
    }
    // The session is closed when the reply is out.
    void quit() noexcept { quits_ = true; }

    // ---- waiting

    // Whether it may wait: not between MULTI and EXEC.
    [[nodiscard]] bool may_block() const noexcept { return may_block_; }
    // Whether it was parked, and is carried out again.
    [[nodiscard]] bool is_again() const noexcept { return parked_again_ != nullptr; }

    // To prepare: the command finds nothing, and waits. What is returned is to be returned. All
    // that may throw is done inside, so changes (such as making a consumer) may follow.
    [[nodiscard]] Reply block(Block&& block);

    // ---- for the dispatcher

    void forbid_blocking() noexcept { may_block_ = false; }
    void give_reply_to(std::shared_ptr<PendingState>& pending) noexcept { pending_ = &pending; }
    void is_carried_out_again(Parked& parked) noexcept { parked_again_ = &parked; }
    [[nodiscard]] bool is_blocked() const noexcept { return is_blocked_; }
    [[nodiscard]] std::shared_ptr<Parked> take_parked() noexcept { return std::move(parked_); }
    [[nodiscard]] bool has_reply() const noexcept { return has_reply_; }
    void lose_reply() noexcept { has_reply_ = false; }
    [[nodiscard]] Prepared& answers() noexcept { return answers_; }
    [[nodiscard]] Prepared& outputs() noexcept { return outputs_; }
    [[nodiscard]] bool quits() const noexcept { return quits_; }

private:
    // Whether to look a key up is to use it.
    [[nodiscard]] bool is_use() const noexcept {
        if (session_.facts.no_touch) return info_.has(Flag::uses_anyhow);
        return !info_.has(Flag::looks_on);
    }

    ServerState& server_;
    SessionState& session_;
    const CommandInfo& info_;
    const Words words_;
    const Milliseconds now_;
    bool may_block_ = true;
    bool is_blocked_ = false;
    bool has_reply_ = true;
    bool quits_ = false;
    Parked* parked_again_ = nullptr;
    std::shared_ptr<PendingState>* pending_ = nullptr;
    std::shared_ptr<Parked> parked_{};
    Prepared answers_;
    Prepared outputs_;
};

}  // namespace runnel::inline v0::redis::detail

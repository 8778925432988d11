// SPDX-License-Identifier: MIT

// A model of the waits of runnel: two lists, each with a lock, its elements and two lines; calls of
// threads and operations without a thread that wait there; wakers, time-outs, stops, a close, a
// removal, and the loss of an operation's owner. A step of a process is one that others can see in
// the code: a lock is taken, a wait is claimed, it leaves its line, the lock is released, the wait
// is ended, its owner goes on. The names are those of the code. README.md says what is asserted and
// what is left out.
//
// What is in #ifdef is a mistake: -D<NAME> makes it.

// ---------------------------------------------------------------------- the waits

#define POP 0     /* pop_front() of list 0, by a thread */
#define FIRST 1   /* async_pop_first() of lists 0 and 1, without a thread */
#define PUSH 2    /* push_back() to list 0, by a thread */
#define PUSH_B 3  /* async_push_back() to one of the lists, without a thread */
#define WAITS 4
#define NOBODY WAITS

bit destroys;  // POP is a coroutine, too: where it goes on it destroys FIRST

#define pops(w) (w <= FIRST)
#define has_thread(w) (w == PUSH || (w == POP && !destroys))

// Wait::word_ is one of these, and beside it the bit `parked`.
#define ALONE 0
#define WAITING 1
#define TAKEN 2
#define OVER 3

// enum class WaitEnd. A time-out counts as stopped.
#define SERVED 0
#define STOPPED 1
#define CLOSED 2

typedef Waiter {
    unsigned phase : 2;
    bit parked;
    unsigned how : 2;
    unsigned sources : 2;  // open_sources
    unsigned waker : 4;    // the process that is about to end it, + 1; 0: none
    bit listed;            // it stands in the Continuations of that one: its owner may take it out
    unsigned value : 2;    // what a pop has taken, or a push has not pushed yet; 0: nothing
    bit from;              // the list that a pop has taken it from
    unsigned claims : 2;   // how often it was claimed
    bit gone;              // its owner has gone on, or away: nobody may touch it
    bit asleep;            // of a thread: it sleeps on the word
    bit due;               // of a thread: its deadline has passed
    bit resumed;           // without a thread: its executor has been told to go on with it
    bit held;              // without a thread: its executor runs nothing any more
    bit armed;             // its stop callback, or timer, is there
    bit stopping;          // that has been asked for
    bit in_callback;       // and runs
}
Waiter wait[WAITS];

// Wait::claim(). Sets `won`.
inline claim(w, end_of_it) {
#ifdef CLAIMS_WITHOUT_COMPARE
    won = wait[w].phase < TAKEN;
#endif
    d_step {
        assert(!wait[w].gone);
#ifndef CLAIMS_WITHOUT_COMPARE
        won = wait[w].phase < TAKEN;  // compare_exchange
#endif
        if
        :: won ->
            wait[w].phase = TAKEN;
            wait[w].how = end_of_it;
            wait[w].claims++;
            assert(wait[w].claims == 1)  // once
        :: else
        fi
    }
}

// Wait::end(), and Operation::go_on(). After exchange(over) the wait is not touched: what is woken
// is the address of a word, or a continuation that was read before.
//
// Without an executor the waker itself goes on with a coroutine. That is one of the orders in which
// the operation's own process can go on here.
inline end(w) {
    d_step {
        assert(!wait[w].gone && wait[w].phase == TAKEN);
        was_parked = wait[w].parked;
        wait[w].phase = OVER;
        wait[w].parked = false
    }
    if
    :: !was_parked
    :: was_parked && has_thread(w) -> wait[w].asleep = false  // futex_wake_one()
    :: was_parked && !has_thread(w) -> d_step { assert(!wait[w].gone); wait[w].resumed = true }
    fi
}

// end_wait()
inline end_wait(w) {
    claim(w, STOPPED);
    if
    :: won -> end(w)
    :: else
    fi
}

// ---------------------------------------------------------------------- the lists

#define CAPACITY 1

bit locked[2];
bit closed[2];
chan elements[2] = [4] of { byte };
chan poppers[2] = [2] of { byte };
chan pushers[2] = [2] of { byte };
byte removed;  // by remove_equal()

#define has_room(l) (len(elements[l]) < CAPACITY && !closed[l])
#define has_something_for(w, l) (closed[l] || (pops(w) -> len(elements[l]) != 0 : has_room(l)))
#define is_first(w, l) (pops(w) -> len(poppers[l]) == 0 : len(pushers[l]) == 0)
#define stands(w, l) (poppers[l]??[eval(w)] || pushers[l]??[eval(w)])

inline lock(l) { atomic { !locked[l] -> locked[l] = true } }

// Outside the locks an element and a wait that could take it never coexist, nor do room and a wait
// that could fill it.
#define could_go_on(w, l) (stands(w, l) && wait[w].phase < TAKEN)
inline unlock(l) {
    d_step {
        assert(len(elements[l]) == 0 || !(could_go_on(POP, l) || could_go_on(FIRST, l)));
        assert(!has_room(l) || !(could_go_on(PUSH, l) || could_go_on(PUSH_B, l)));
        locked[l] = false
    }
}

// Request::end_if_last_source()
inline end_if_last_source(w) {
    d_step {
        assert(!wait[w].gone && wait[w].sources != 0);
        wait[w].sources--;
        last = wait[w].sources == 0
    }
    if
    :: last -> claim(w, CLOSED)
    :: else
    fi
}

// Waiter::serve(), under the lock: attempt() of a PopOne or PopFirst, or of a PushMany, for which
// there is something. `won`: it is Served::yes; else Served::elsewhere. A push pushes before it
// claims: if it is ended meanwhile, its owner sees under the lock that nothing is left to push.
inline serve(w, l) {
    won = false;
    if
    :: pops(w) && len(elements[l]) != 0 ->
        claim(w, SERVED);
        if
        :: won -> d_step { elements[l]?wait[w].value; wait[w].from = l }
        :: else
        fi
    :: pops(w) && len(elements[l]) == 0 -> end_if_last_source(w)
    :: !pops(w) && closed[l] -> end_if_last_source(w)
    :: !pops(w) && !closed[l] ->
        if
        :: d_step { wait[w].phase < TAKEN -> elements[l]!wait[w].value; wait[w].value = 0 } ->
            claim(w, SERVED)
        :: else
        fi
    fi
}

// WaitQueue::insert() and remove()
inline insert(w, l) {
    if
    :: pops(w) -> poppers[l]!w
    :: else -> pushers[l]!w
    fi;
    if
    :: wait[w].phase == ALONE -> wait[w].phase = WAITING  // share()
    :: else
    fi
}
inline remove(w, l) {
    if
    :: poppers[l]??[eval(w)] -> poppers[l]??eval(w)
    :: pushers[l]??[eval(w)] -> pushers[l]??eval(w)
    :: else
    fi
}

// serve_pass() and ask(): under the lock. What this thread has claimed comes into its chain.
inline serve_pass(l) {
    do
    ::  d_step {
            who = NOBODY;
            if
            :: len(poppers[l]) != 0 && has_something_for(POP, l) -> poppers[l]?<who>
            :: else ->
                if
                :: len(pushers[l]) != 0 && has_something_for(PUSH, l) -> pushers[l]?<who>
                :: else
                fi
            fi
        }
        if
        :: who == NOBODY -> break
        :: else
        fi;
        serve(who, l);
        d_step {
            remove(who, l);
            if
            :: won -> wait[who].waker = _pid + 1; chain++
            :: else
            fi
        }
#ifdef STOPS_AT_ENDED_WAIT
        if
        :: !won -> break
        :: else
        fi
#endif
    od
}

// Continuations::add() and take(). The only one stands in no list. The waits of threads are ended
// likewise; nobody takes those out.
inline stand_in() {
    d_step {
        for (who : 0 .. WAITS - 1) {
            if
            :: wait[who].waker == _pid + 1 -> wait[who].listed = true
            :: else
            fi
        }
    }
}
inline take_first() {
    d_step {
        chain--;
        who = 0;
        do
        :: who == NOBODY -> break  // it was taken out
        :: who != NOBODY && wait[who].waker == _pid + 1 ->
            wait[who].waker = 0;
            wait[who].listed = false;
            break
        :: else -> who++
        od
    }
}

// WakeChain::resume_all(): without a lock.
inline resume_all() {
    if
    :: chain > 1 -> stand_in()
    :: else
    fi;
    do
    :: chain == 0 -> break
    :: else ->
        take_first();
        if
        :: who == NOBODY
        :: else -> end(who)
        fi
    od
}

// enter(). `mine`: this thread has ended it.
inline enter(w, l) {
    atomic {
        lock(l);
        seen = is_first(w, l) && has_something_for(w, l);
#ifndef JOINS_LATER
        if
        :: !seen -> insert(w, l)
        :: else
        fi
#endif
    }
    if
    :: seen -> serve(w, l); mine = won
    :: else
    fi;
#ifdef JOINS_LATER
    if
    :: !seen -> unlock(l); lock(l); d_step { insert(w, l) }
    :: else -> serve_pass(l)
    fi;
#else
    serve_pass(l);
#endif
    unlock(l)
}

// leave(): PopFirst leaves both lines, the others stand in their line only if they were stopped.
inline leave_line(w, l) {
    atomic { lock(l); remove(w, l) };
    unlock(l)
}
inline leave(w, l) {
    if
    :: w == FIRST ->
        leave_line(w, 0);
#ifndef LEAVES_ONE_LINE
        leave_line(w, 1)
#endif
    :: w != FIRST && wait[w].how == STOPPED -> leave_line(w, l)
    :: else
    fi
}

// The last step of its owner. What it held counts no more, but for its value.
inline goes(w) {
    d_step {
        assert(!stands(w, 0) && !stands(w, 1) && wait[w].waker == 0);
        wait[w].gone = true;
        wait[w].phase = OVER;
        wait[w].how = 0;
        wait[w].sources = 0;
        wait[w].from = 0;
        wait[w].due = false;
        wait[w].stopping = false
    }
}

// ---------------------------------------------------------------------- a call, an operation

// std::stop_callback, or a timer. If it is late, who makes it runs it. Who destroys it waits while
// another thread runs it.
inline arm(w) {
    d_step {
        seen = wait[w].stopping;
        wait[w].armed = !seen
    }
    if
    :: seen -> end_wait(w)
    :: else
    fi
}
inline disarm(w) { atomic { wait[w].armed = false; !wait[w].in_callback } }

// Clock::park() and Wait::sleep(), by the thread that waits.
inline park(w) {
    late = false;  // whether another thread has claimed it before the deadline could
    do
    :: wait[w].phase == OVER -> break
    :: wait[w].phase != OVER && wait[w].due && !late ->
        claim(w, STOPPED);
        if
        :: won -> end(w)
        :: else -> late = true
        fi
    :: else ->
#ifdef LOOKS_BEFORE_IT_PARKS
        seen = wait[w].phase;
        wait[w].parked = true;
#else
        d_step { seen = wait[w].phase; wait[w].parked = true };  // fetch_or(parked)
#endif
        if
        :: seen == OVER -> break
        :: else -> d_step { wait[w].asleep = wait[w].phase == seen }  // futex_wait()
        fi;
        if
        :: !wait[w].asleep
        :: wait[w].due && !late -> wait[w].asleep = false
        fi
    od
}

// try_or_wait(), or Operation::start() to finish(). Whoever starts an operation resumes what it has
// claimed after that, when the operation may have gone on or away.
proctype Operation(byte w; byte l) {
    byte who, chain, seen;
    bit won, last, was_parked, mine, late;

    enter(w, l);
    if
    :: w == FIRST && !mine && wait[w].phase < TAKEN -> enter(w, 1)
    :: else
    fi;
    seen = OVER;
    if
    :: !mine && !has_thread(w) ->
        arm(w);
#ifdef LOOKS_BEFORE_IT_PARKS
        seen = wait[w].phase;
        if
        :: seen != OVER -> wait[w].parked = true
        :: else
        fi
#else
        d_step {
            seen = wait[w].phase;  // suspend()
            wait[w].parked = seen != OVER
        }
#endif
    :: else
    fi;
    resume_all();
    if
    :: mine -> goto ended
    :: !mine && has_thread(w) -> park(w); goto ended
    :: !mine && !has_thread(w) && seen != OVER ->
        if
        :: d_step { wait[w].resumed && !wait[w].held -> wait[w].resumed = false }
        :: wait[w].gone -> goto abandoned
        fi
    :: else
    fi;
    disarm(w);
ended:
    leave(w, l);
    goes(w);
abandoned:
    skip
}

// The owner of an operation may go away only if the operation is suspended, and if it knows that
// the operation does not go on meanwhile: here, as it holds the executor. Sets `won`.
inline hold(w) {
    d_step {
        won = !wait[w].gone && (wait[w].parked || wait[w].resumed);
        wait[w].held = won
    }
}

// Operation::abandon(): the owner goes away.
inline abandon(w, l) {
    claim(w, STOPPED);
    if
    :: won  // it was in line
    :: else ->
        d_step {
            was_parked = wait[w].parked;
#ifndef ABANDONS_PARKED
            wait[w].parked = false  // forsake()
#endif
        }
        if
        :: was_parked ->
            if  // withdraw(): it is about to be ended, perhaps by this thread
#ifndef WAITS_FOR_ITSELF
            :: d_step { wait[w].listed -> wait[w].listed = false; wait[w].waker = 0 }
#endif
            :: wait[w].phase == OVER
            fi
        :: else -> d_step { wait[w].resumed -> wait[w].resumed = false }  // its executor drops it
        fi
    fi;
    disarm(w);
    leave(w, l);
    if
    :: pops(w) && wait[w].value != 0 -> give_back(w, wait[w].from)
    :: else
    fi;
    goes(w)
}

// ListState::give_back(): to the end that the element was taken from, over the capacity too.
inline give_back(w, l) {
    atomic {
        lock(l);
        d_step {
            seen = len(elements[l]);
            elements[l]!wait[w].value;
            wait[w].value = 0;
            do
            :: seen != 0 -> elements[l]?who; elements[l]!who; seen--
            :: else -> break
            od
        }
    }
#ifndef GIVES_BACK_UNSERVED
    serve_pass(l);
#endif
    unlock(l)
}

proctype Abandon(byte w; byte l) {
    byte who, chain, seen;
    bit won, last, was_parked;

    wait[w].parked || wait[w].resumed || wait[w].gone;
    hold(w);
    if
    :: won -> abandon(w, l); resume_all()
    :: else
    fi
}

// ---------------------------------------------------------------------- what others do

// A deadline passes, or a stop is requested.
proctype Cancel(byte w) {
    bit won, was_parked;

    d_step {
        if
        :: wait[w].gone
        :: else ->
            wait[w].due = has_thread(w);
            wait[w].stopping = true;
            wait[w].in_callback = wait[w].armed;
            wait[w].armed = false
        fi
    }
    if
    :: wait[w].in_callback -> end_wait(w); wait[w].in_callback = false
    :: else
    fi
}

// close(). The caller resumes.
inline close(l) {
    atomic { lock(l); closed[l] = true };
    unlock(l);
    lock(l);
    serve_pass(l);
    unlock(l)
}

// It also resumes all, in an own way: in its thread a coroutine goes on that waited in POP.
proctype Close() {
    byte who, chain, seen;
    bit won, last, was_parked;
    bit l = 1;

again:
    close(l);
    if
    :: chain > 1 -> stand_in()
    :: else
    fi;
    do
    :: chain == 0 -> break
    :: else ->
        take_first();
        was_parked = false;
        if
        :: who == NOBODY
        :: else -> end(who)
        fi;
        if
        :: destroys && who == POP && was_parked ->
            hold(FIRST);
            if
            :: won -> abandon(FIRST, 0)
            :: else
            fi
        :: else
        fi
    od;
    if
    :: l == 1 -> l = 0; goto again
    :: else
    fi
}

// remove_equal()
proctype Remove(byte l) {
    byte who, chain, seen;
    bit won, last, was_parked;

    lock(l);
    if
    :: len(elements[l]) != 0 -> elements[l]?removed; serve_pass(l)
    :: else
    fi;
    unlock(l);
    resume_all()
}

// ---------------------------------------------------------------------- the run

// Nothing moves any more: a wait that has not ended waits for what is not there.
#define has_nothing(w, l) \
    (wait[w].gone || \
     (wait[w].phase == WAITING && wait[w].sources != 0 && (closed[l] || !has_something_for(w, l))))

#define is_in(w, set) ((set >> w) & 1)
#define POPS (1 << POP | 1 << FIRST)
#define PUSHES (1 << PUSH | 1 << PUSH_B)

// -DONLY=n: only situation n.
#ifdef ONLY
#define SITUATION(n) n == ONLY
#else
#define SITUATION(n) true
#endif

init {
    byte who, chain, seen;
    bit won, last, was_parked;
    byte operations, cancelled, abandoned;
    bit closes, removes, filled, b;
    byte found[4];

    if
    :: SITUATION(1) -> operations = 1 << FIRST | 1 << PUSH; abandoned = 1 << FIRST; closes = true
    :: SITUATION(2) -> operations = 1 << FIRST | PUSHES; abandoned = 1 << FIRST
    :: SITUATION(3) -> operations = POPS | 1 << PUSH; abandoned = 1 << FIRST; cancelled = 1 << POP
    :: SITUATION(4) -> operations = POPS | 1 << PUSH; cancelled = POPS
    :: SITUATION(5) -> operations = 1 << FIRST | PUSHES; removes = true; filled = true
    :: SITUATION(6) -> operations = 1 << POP | 1 << PUSH_B; abandoned = 1 << PUSH_B;
        closes = true; filled = true
    :: SITUATION(7) -> operations = PUSHES; cancelled = PUSHES; removes = true; filled = true
    :: SITUATION(8) -> operations = POPS | PUSHES
    :: SITUATION(9) -> operations = POPS | 1 << PUSH; closes = true; destroys = true
    :: SITUATION(10) -> operations = 1 << FIRST | 1 << PUSH; cancelled = 1 << FIRST;
        abandoned = 1 << FIRST
    fi;
    if
    :: is_in(PUSH_B, operations) -> b = 1
    :: b = 0
    fi;
    d_step {
        wait[PUSH].value = 1;
        wait[PUSH_B].value = 2;
        for (who : 0 .. WAITS - 1) {
            wait[who].sources = (who == FIRST -> 2 : 1);
            wait[who].gone = !is_in(who, operations)
        }
        if
        :: filled -> elements[b]!3
        :: else
        fi
    }
    atomic {
        for (who : 0 .. WAITS - 1) {
            if
            :: is_in(who, operations) -> run Operation(who, (who == PUSH_B -> b : 0))
            :: else
            fi;
            if
            :: is_in(who, cancelled) -> run Cancel(who)
            :: else
            fi;
            if
            :: is_in(who, abandoned) -> run Abandon(who, (who == PUSH_B -> b : 0))
            :: else
            fi
        }
        if
        :: closes -> run Close()
        :: else
        fi;
        if
        :: removes -> run Remove(0)
        :: else
        fi
    }
    if
    :: _nr_pr == 1
    :: timeout ->
        d_step {
            assert(has_nothing(POP, 0) && has_nothing(PUSH, 0) && has_nothing(PUSH_B, b));
            assert(has_nothing(FIRST, 0) && has_nothing(FIRST, 1))
        };
        for (seen : 0 .. 1) { close(seen) }
        resume_all();
        _nr_pr == 1
    fi;
    d_step {  // nothing is lost or doubled
        found[removed]++;
        for (who : 0 .. WAITS - 1) { found[wait[who].value]++ }
        for (seen : 0 .. 1) {
            do
            :: len(elements[seen]) != 0 -> elements[seen]?who; found[who]++
            :: else -> break
            od
        }
        assert(found[1] == 1 && found[2] == 1 && found[3] == filled)
    }
}

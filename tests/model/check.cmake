# Lets spin look at every order of MODEL: without mistakes none breaks a rule, and each mistake is
# found, by the rule that it breaks. SPIN, CC: the programs. WORK: a folder for what they make.
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

# verify(<out> [MAKE <flags of spin>...] [COMPILE <flags of CC>...] [RUN <flags of what that
# makes>...]) sets <out> to what the verifier says.
function(verify out)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "MAKE;COMPILE;RUN")
    execute_process(COMMAND ${SPIN} "-P${CC} -E -x c" ${arg_MAKE} -a ${MODEL}
        WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND ${CC} -w -DCOLLAPSE -DMEMLIM=2000 ${arg_COMPILE} -o pan pan.c
        WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND ${WORK}/pan -m1000 -n ${arg_RUN}
        WORKING_DIRECTORY ${WORK} OUTPUT_VARIABLE text ERROR_VARIABLE text)
    set(${out} "${text}" PARENT_SCOPE)
endfunction()

# Fails unless the search, whose words are `text`, has seen everything and found nothing.
function(expect_none name text)
    if(NOT text MATCHES "errors: 0\n" OR NOT text MATCHES "([0-9]+) states, stored"
            OR text MATCHES "depth too small|not completed|DMEMLIM bound|out of memory|aborted")
        message(FATAL_ERROR "${name}:\n${text}")
    endif()
    string(REGEX MATCH "([0-9]+) states, stored" states "${text}")
    message(STATUS "${name}: ${states}, errors: 0")
endfunction()

verify(text COMPILE -O1 -DSAFETY RUN -w24)
expect_none("all situations" "${text}")

# A cycle would be a run that goes on for ever.
verify(text MAKE -DONLY=1 COMPILE -DNP RUN -l)
expect_none("no cycle in situation 1" "${text}")

# `situation` is one in which the mistake is found soon; without it, it is found as well.
function(expect_found mistake situation rule)
    verify(text MAKE -D${mistake} -DONLY=${situation} COMPILE -DSAFETY)
    if(NOT text MATCHES "errors: 1\n" OR NOT text MATCHES "assertion violated [^\n]*${rule}")
        message(SEND_ERROR "${mistake} was not found by a rule that has ${rule} in it:\n${text}")
        return()
    endif()
    string(REGEX MATCH "([0-9]+) states, stored" states "${text}")
    message(STATUS "${mistake}: ${states}, errors: 1")
endfunction()

set(claimed_once "claims==1")
set(nothing_left_to_take "elements.*poppers")
set(has_nothing "sources!=0")
set(is_touched "!.wait.*gone")
set(is_still_in_line "waker==0")
expect_found(CLAIMS_WITHOUT_COMPARE 1 ${claimed_once})
expect_found(STOPS_AT_ENDED_WAIT 4 ${nothing_left_to_take})
expect_found(JOINS_LATER 8 ${nothing_left_to_take})
expect_found(GIVES_BACK_UNSERVED 3 ${nothing_left_to_take})
expect_found(LOOKS_BEFORE_IT_PARKS 8 ${has_nothing})
expect_found(WAITS_FOR_ITSELF 9 ${has_nothing})
expect_found(ABANDONS_PARKED 1 ${is_touched})
expect_found(LEAVES_ONE_LINE 3 ${is_still_in_line})

# Tests the demo from outside, by running it:
#     cmake -DDEMO=<binary> -DWORK=<scratch folder> [-DLINES=<count>] -P demo_test.cmake
# Fails if an exit status, a message, the last line or the number of words is not as it should be.
cmake_minimum_required(VERSION 3.21)

if(NOT DEFINED LINES)
    set(LINES 100000)
endif()
file(MAKE_DIRECTORY ${WORK})
set(all_counted "every line accounted for")

# run(<what> [INPUT <file>] [ARGS <argument>...]): sets status, out, err and last, the last line.
function(run what)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "INPUT" "ARGS")
    set(input)
    if(arg_INPUT)
        set(input INPUT_FILE ${arg_INPUT})
    endif()
    execute_process(COMMAND ${DEMO} ${arg_ARGS} ${input} WORKING_DIRECTORY ${WORK}
        RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err TIMEOUT 300)
    string(REGEX MATCH "[^\n]*\n$" last "${out}")
    string(STRIP "${last}" last)
    foreach(name IN ITEMS what status out err last)
        set(${name} "${${name}}" PARENT_SCOPE)
    endforeach()
endfunction()

function(fail why)
    message(SEND_ERROR "demo on ${what}: ${why}\nstatus ${status}\n${out}${err}")
endfunction()

# Every line was counted, and nothing was said but the report.
function(expect_all_counted)
    if(NOT status STREQUAL "0")
        fail("it should end with status 0")
    elseif(NOT last STREQUAL all_counted)
        fail("its last line should be: ${all_counted}")
    elseif(NOT err STREQUAL "")
        fail("it should say nothing on standard error")
    elseif(out MATCHES "\r")
        fail("it should draw no progress bar where there is no terminal")
    endif()
endfunction()

function(expect_counts lines words)
    if(NOT out MATCHES "\nlines ${lines}, words ${words}, ")
        fail("it should count ${lines} lines and ${words} words")
    endif()
endfunction()

# One worker has died, and what it had in hand has been claimed, if nothing else was.
function(expect_a_recovered_death)
    if(NOT out MATCHES "\nall +[0-9]+ +([1-9][0-9]*) +([0-9]+) ")
        fail("one worker should have died with lines in hand")
    elseif(CMAKE_MATCH_2 LESS CMAKE_MATCH_1)
        fail("what was left behind should have been claimed")
    endif()
endfunction()

function(expect_missing_line)
    if(NOT status STREQUAL "1" OR NOT last MATCHES "^1 line is missing, the first is line [0-9]+$")
        fail("it should report one missing line with status 1")
    endif()
endfunction()

function(expect_error words)
    if(NOT status STREQUAL "2")
        fail("it should end with status 2")
    elseif(NOT out STREQUAL "" OR NOT err MATCHES "^demo: [^\n]*${words}[^\n]*\n$")
        fail("it should say on standard error, in one line: ${words}")
    endif()
endfunction()

# What `wc -w` counts, which knows only printable words: so every byte but the blanks becomes an x.
# Lines with a zero byte are no text.
function(count_words file result)
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C grep -aPv "\\x00" ${file}
        COMMAND tr -c " \\t\\n\\v\\f\\r" x COMMAND wc -w
        OUTPUT_VARIABLE words OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(${result} "${words}" PARENT_SCOPE)
endfunction()

run("its own sources")
expect_all_counted()
expect_a_recovered_death()

math(EXPR copies "${LINES} / 10")
string(REPEAT "one two three four\nfive\r\n\n  six seven \n\t\nEight eight\none\none\none\nten\n"
    ${copies} text)
file(WRITE ${WORK}/many "${text}")
math(EXPR words "${copies} * 13")
run("a file of ${LINES} lines" ARGS many)
expect_all_counted()
expect_a_recovered_death()
expect_counts(${LINES} ${words})
run("standard input" ARGS - INPUT ${WORK}/many)
expect_all_counted()
expect_counts(${LINES} ${words})

file(WRITE ${WORK}/empty "")
run("an empty file" ARGS empty)
expect_all_counted()
expect_counts(0 0)

file(WRITE ${WORK}/one "no line feed at its end")
run("a single line" ARGS one)
expect_all_counted()
expect_a_recovered_death()
expect_counts(1 6)

execute_process(COMMAND head -c 1000000 /dev/urandom OUTPUT_FILE ${WORK}/random)
execute_process(COMMAND tr -cd "\\n" COMMAND wc -c INPUT_FILE ${WORK}/random
    OUTPUT_VARIABLE line_feeds OUTPUT_STRIP_TRAILING_WHITESPACE)
math(EXPR line_feeds_and_one "${line_feeds} + 1")  # unless the last byte is one
count_words(${WORK}/random words)
run("random bytes" ARGS random)
expect_all_counted()
expect_a_recovered_death()
expect_counts("(${line_feeds}|${line_feeds_and_one})" ${words})
if(NOT out MATCHES "\ndead letters, delivered 3 times each: [1-9][0-9]*,")
    fail("lines with a zero byte should be dead letters")
endif()
if(out MATCHES "[^\n -~]")
    fail("it should print nothing but printable ASCII")
endif()

foreach(file IN ITEMS many one random)
    run("${file}, a line of which it loses" ARGS --sabotage=lose-one ${file})
    expect_missing_line()
endforeach()
run("a line that is counted twice" ARGS many --sabotage=count-twice)
if(NOT status STREQUAL "1" OR NOT last STREQUAL "1 line was counted twice")
    fail("it should report a line that was counted twice with status 1")
endif()

run("a missing file" ARGS no/such/file)
expect_error("no/such/file: No such file or directory")
run("a folder" ARGS ${WORK})
expect_error("${WORK}: Is a directory")
run("an unknown option" ARGS --fast)
expect_error("--fast: unknown option")
run("an unknown sabotage" ARGS --sabotage=all)
expect_error("--sabotage=all: unknown option")
run("two files" ARGS one many)
expect_error("many: a second file")

run("a call for help" ARGS --help)
if(NOT status STREQUAL "0" OR NOT out MATCHES "^usage: demo ")
    fail("it should print how it is used")
endif()

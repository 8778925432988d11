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
    elseif(out MATCHES "\r| of [0-9]+ lines")
        fail("it should show no progress where there is no terminal")
    endif()
endfunction()

function(expect_counts lines words)
    if(NOT out MATCHES "\nlines ${lines}, words ${words}\n")
        fail("it should count ${lines} lines and ${words} words")
    endif()
endfunction()

# One thread has died, and another one has claimed what it had in hand.
function(expect_a_recovered_death)
    if(NOT out MATCHES "a thread dies with a line in hand\n")
        fail("one thread should die with a line in hand")
    elseif(NOT out MATCHES "\nlines claimed from a dead thread: [1-9][0-9]*\n")
        fail("another thread should claim what the dead one had in hand")
    endif()
endfunction()

function(expect_missed_announcements)
    if(NOT out MATCHES "the slow subscriber missed ([0-9]+) of ([0-9]+) announcements\n")
        fail("it should say how many announcements the slow subscriber missed")
    elseif(CMAKE_MATCH_1 EQUAL 0 OR NOT CMAKE_MATCH_1 LESS CMAKE_MATCH_2)
        fail("the slow subscriber should miss some announcements, and hear others")
    endif()
endfunction()

function(expect_error words)
    if(NOT status STREQUAL "2")
        fail("it should end with status 2")
    elseif(NOT out STREQUAL "" OR NOT err MATCHES "^demo: [^\n]*${words}[^\n]*\n$")
        fail("it should say on standard error, in one line: ${words}")
    endif()
endfunction()

# What `wc -w` counts; it knows only printable words, so every byte but the blanks becomes an x.
function(count_words file result)
    execute_process(COMMAND tr -c " \\t\\n\\v\\f\\r" x COMMAND wc -w INPUT_FILE ${file}
        OUTPUT_VARIABLE words OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(${result} "${words}" PARENT_SCOPE)
endfunction()

run("its own headers")
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
expect_missed_announcements()
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

run("two files and standard input" ARGS one - one INPUT ${WORK}/one)
expect_all_counted()
expect_counts(3 18)

execute_process(COMMAND head -c 1000000 /dev/urandom OUTPUT_FILE ${WORK}/random)
execute_process(COMMAND tr -cd "\\n" COMMAND wc -c INPUT_FILE ${WORK}/random
    OUTPUT_VARIABLE line_feeds OUTPUT_STRIP_TRAILING_WHITESPACE)
math(EXPR line_feeds_and_one "${line_feeds} + 1")  # unless the last byte is one
count_words(${WORK}/random words)
run("random bytes" ARGS random)
expect_all_counted()
expect_a_recovered_death()
expect_counts("(${line_feeds}|${line_feeds_and_one})" ${words})

run("a missing file" ARGS no/such/file)
expect_error("no/such/file: No such file or directory")
run("a folder" ARGS ${WORK})
expect_error("${WORK}: Is a directory")
run("a missing file behind one that is there" ARGS one no/such/file)
expect_error("no/such/file: No such file or directory")

# On a terminal, which `script` makes, it shows the progress.
find_program(SCRIPT script)
if(SCRIPT)
    execute_process(COMMAND ${SCRIPT} --quiet --command "${DEMO} ${WORK}/one" /dev/null
        RESULT_VARIABLE status OUTPUT_VARIABLE out TIMEOUT 300)
    set(what "a terminal")
    set(err "")
    if(NOT out MATCHES "1 of 1 lines")
        fail("it should show the progress")
    endif()
endif()

# Fails if a test sleeps, spins or waits by the wall clock: time is a ManualClock, meeting is a
# helper of tests/support.
cmake_minimum_required(VERSION 3.21)

file(GLOB_RECURSE files RELATIVE ${ROOT}/tests ${ROOT}/tests/*.cpp ${ROOT}/tests/*.hpp)
list(FILTER files EXCLUDE REGEX "^support/")
if(NOT files)
    message(SEND_ERROR "found no tests in ${ROOT}/tests")
endif()
foreach(file IN LISTS files)
    file(READ ${ROOT}/tests/${file} text)
    string(REGEX MATCHALL "[^\n]*(sleep|yield\\(|wait_for\\()[^\n]*" lines "${text}")
    if(lines)
        list(JOIN lines "\n" lines)
        message(SEND_ERROR "tests/${file}:\n${lines}")
    endif()
endforeach()

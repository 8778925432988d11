# Tests poll_two_channels with a script as its input:
#     cmake -DPROGRAM=<binary> -DWORK=<scratch folder> -P poll_two_channels_test.cmake
cmake_minimum_required(VERSION 3.21)

file(MAKE_DIRECTORY ${WORK})
file(WRITE ${WORK}/input "hello\n\nworld of\nno end of line")
execute_process(COMMAND ${PROGRAM} INPUT_FILE ${WORK}/input
    RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err TIMEOUT 60)
foreach(line "answer: hello: 5" "answer: : 0" "answer: world of: 8" "warning: an empty line"
        "3 lines, 3 answers, 1 warnings")
    string(FIND "\n${out}" "\n${line}\n" at)
    if(at EQUAL -1)
        message(SEND_ERROR "no line: ${line}")
    endif()
endforeach()
if(NOT status EQUAL 0)
    message(SEND_ERROR "it ended with ${status}:\n${out}${err}")
endif()

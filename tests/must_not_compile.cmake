# Fails unless COMPILE refuses FILE and says something that matches WORDS.
cmake_minimum_required(VERSION 3.21)

execute_process(COMMAND ${COMPILE} -std=c++20 -fsyntax-only -I${ROOT}/include ${FILE}
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
    message(FATAL_ERROR "${FILE} compiles")
elseif(NOT said MATCHES "${WORDS}")
    message(FATAL_ERROR "${FILE}: the compiler does not say '${WORDS}', but:\n${said}")
endif()

# Fails unless COMPILE refuses FILE and says something that matches WORDS; if AT_ONCE, unless it ends
# there; where lines of FILE are marked `// refused`, unless it refuses just those.
cmake_minimum_required(VERSION 3.21)

execute_process(COMMAND ${COMPILE} -std=c++20 -fsyntax-only ${FLAGS} -I${ROOT}/include ${FILE}
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
    message(FATAL_ERROR "${FILE} compiles")
elseif(NOT said MATCHES "${WORDS}")
    message(FATAL_ERROR "${FILE}: the compiler does not say '${WORDS}', but:\n${said}")
endif()

# An #error, and the header that is not there and ends it.
string(REGEX MATCHALL "error: " errors "${said}")
list(LENGTH errors count)
if(AT_ONCE AND count GREATER 2)
    message(FATAL_ERROR "${FILE}: the compiler goes on:\n${said}")
endif()

file(READ ${FILE} text)
string(REGEX REPLACE "[][;]" " " text "${text}")  # they would end an element of the list, or not
string(REPLACE "\n" ";" lines "${text}")
set(number 0)
set(marked)
foreach(line IN LISTS lines)
    math(EXPR number "${number} + 1")
    if(line MATCHES "// refused$")
        list(APPEND marked ${number})
    endif()
endforeach()
if(marked)
    cmake_path(GET FILE FILENAME name)
    string(REGEX MATCHALL "${name}:[0-9]+:[0-9]+: error" errors "${said}")
    list(TRANSFORM errors REPLACE "^.*[.]cpp:([0-9]+):.*$" "\\1")
    list(REMOVE_DUPLICATES errors)
    list(SORT errors COMPARE NATURAL)
    if(NOT errors STREQUAL marked)
        message(FATAL_ERROR "${FILE}: marked are lines ${marked}, refused ${errors}:\n${said}")
    endif()
endif()

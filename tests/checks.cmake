# Tests of the sources and of the package, included by CMakeLists.txt.

function(script_test name)
    add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}
        -P ${CMAKE_CURRENT_SOURCE_DIR}/${name}.cmake)
endfunction()

script_test(floors)
script_test(readme)
script_test(waiting_words)
add_test(NAME public_members COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/public_members)

# Every header compiles on its own, and twice in one program.
file(GLOB_RECURSE headers RELATIVE ${PROJECT_SOURCE_DIR}/include CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/include/runnel/*.hpp)
foreach(header IN LISTS headers)
    string(MAKE_C_IDENTIFIER ${header} name)
    foreach(copy 1 2)
        file(CONFIGURE OUTPUT alone/${name}_${copy}.cpp CONTENT "#include <${header}>\n")
        list(APPEND alone ${CMAKE_CURRENT_BINARY_DIR}/alone/${name}_${copy}.cpp)
    endforeach()
endforeach()
file(CONFIGURE OUTPUT alone/main.cpp CONTENT "int main() {}\n")
add_executable(runnel_headers ${alone} ${CMAKE_CURRENT_BINARY_DIR}/alone/main.cpp)
target_link_libraries(runnel_headers PRIVATE runnel_dev)
set_target_properties(runnel_headers PROPERTIES UNITY_BUILD OFF)

# Code that must not compile, and the words the compiler must say about it. COMPILE: another compiler
# than that of the build. FLAGS: what it is given.
function(must_not_compile name words)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "COMPILE;FLAGS" "")
    if(NOT arg_COMPILE)
        set(arg_COMPILE ${CMAKE_CXX_COMPILER})
    endif()
    add_test(NAME must_not_compile.${name} COMMAND ${CMAKE_COMMAND}
        -DFILE=${CMAKE_CURRENT_SOURCE_DIR}/must_not_compile/${name}.cpp -DWORDS=${words}
        -DROOT=${PROJECT_SOURCE_DIR} -DCOMPILE=${arg_COMPILE} -DFLAGS=${arg_FLAGS}
        -P ${CMAKE_CURRENT_SOURCE_DIR}/must_not_compile.cmake)
endfunction()
must_not_compile(a_message_that_throws_on_move
    "is_nothrow_move_constructible_v<.*evaluated to")
must_not_compile(references_into_temporaries "deleted")
# Of these only clang warns.
find_program(RUNNEL_CLANG NAMES clang++-19 clang++)
if(RUNNEL_CLANG)
    must_not_compile(references_that_outlive "-Wreturn-stack-address"
        COMPILE ${RUNNEL_CLANG} FLAGS -Werror=dangling)
endif()
must_not_compile(a_claim_without_options "no matching (member )?function.*claim")
must_not_compile(a_claim_without_min_idle "no matching (member )?function.*ClaimOptions")
must_not_compile(an_autoclaim_without_options "no matching function|too few arguments")
must_not_compile(an_autoclaim_without_min_idle "AutoclaimOptions")

# The ways a project takes runnel in. RUNNEL_FROM is how: see consumer/CMakeLists.txt.
function(consumer_test from)
    add_test(NAME consumer.${from} COMMAND ${CMAKE_CTEST_COMMAND}
        --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/consumer consumer_${from}
        --build-generator ${CMAKE_GENERATOR}
        --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DRUNNEL_FROM=${from} ${ARGN}
        --test-command consumer)
endfunction()
consumer_test(add_subdirectory)
consumer_test(fetch_content)
consumer_test(find_package -DCMAKE_PREFIX_PATH=${CMAKE_CURRENT_BINARY_DIR}/prefix)
add_test(NAME consumer.install COMMAND ${CMAKE_COMMAND}
    --install ${PROJECT_BINARY_DIR} --prefix ${CMAKE_CURRENT_BINARY_DIR}/prefix)
set_tests_properties(consumer.install PROPERTIES FIXTURES_SETUP installed)
set_tests_properties(consumer.find_package PROPERTIES FIXTURES_REQUIRED installed)

# The targets runnel::asio, for <runnel/compat/asio.hpp>, and runnel::boost_asio, for
# <runnel/compat/boost_asio.hpp>, where Asio and Boost are found. For clang they also say that it has
# coroutines: Asio 1.22 and Boost 1.74 take that for granted only of g++.
function(runnel_add_asio name header prefix)
    find_path(RUNNEL_${prefix}_INCLUDE ${header})
    mark_as_advanced(RUNNEL_${prefix}_INCLUDE)
    if(NOT RUNNEL_${prefix}_INCLUDE OR TARGET runnel::${name})
        return()
    endif()
    add_library(runnel::${name} INTERFACE IMPORTED GLOBAL)
    set_target_properties(runnel::${name} PROPERTIES
        INTERFACE_LINK_LIBRARIES runnel::runnel
        INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${RUNNEL_${prefix}_INCLUDE}
        INTERFACE_COMPILE_DEFINITIONS "$<$<CXX_COMPILER_ID:Clang>:${prefix}_HAS_CO_AWAIT=1;${prefix}_HAS_STD_COROUTINE=1>")
endfunction()
runnel_add_asio(asio asio.hpp ASIO)
runnel_add_asio(boost_asio boost/asio.hpp BOOST_ASIO)

# crema_options: what every C++ target of the project is compiled with.
add_library(crema_options INTERFACE)
target_compile_options(crema_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-unknown-pragmas>)
target_include_directories(crema_options INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_include_directories(crema_options SYSTEM INTERFACE ${PROJECT_BINARY_DIR}/proto)
# HDF5 1.10's functions, which later versions have under other names.
target_compile_definitions(crema_options INTERFACE GLOG_NO_ABBREVIATED_SEVERITIES H5_USE_110_API)

if(CREMA_SANITIZE)
  target_compile_options(crema_options INTERFACE
    -fsanitize=${CREMA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(crema_options INTERFACE -fsanitize=${CREMA_SANITIZE})
  set(CREMA_V3 OFF)
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(CREMA_V3 OFF)
endif()

# Kernels: without these two a ReLU is 12 times slower (g++ keeps errno and traps otherwise).
set(CREMA_KERNEL_OPTIONS -fno-math-errno -fno-trapping-math)

# The schema's header is large, and parsing it takes half of the time of most files. -fpch-preprocess
# lets ccache see through.
function(crema_precompile_headers target)
  target_precompile_headers(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:<algorithm$<ANGLE-R>>
    $<$<COMPILE_LANGUAGE:CXX>:<functional$<ANGLE-R>>
    $<$<COMPILE_LANGUAGE:CXX>:<map$<ANGLE-R>>
    $<$<COMPILE_LANGUAGE:CXX>:<memory$<ANGLE-R>>
    $<$<COMPILE_LANGUAGE:CXX>:<string$<ANGLE-R>>
    $<$<COMPILE_LANGUAGE:CXX>:<vector$<ANGLE-R>>
    $<$<COMPILE_LANGUAGE:CXX>:<crema.pb.h$<ANGLE-R>>
    ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endfunction()

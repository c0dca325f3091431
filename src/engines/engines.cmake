# The engines: implementations of layers by other libraries, one folder each, and what they share.
# Included where they are compiled: by src/CMakeLists.txt for the CPU, and by src/math/cuda for the
# GPU. Layers of an engine are compiled like our own for its device: the include path decides which
# ForEach is meant. To add an engine, append its sources to the list of its device and its library
# to the list of libraries; what finds the library is in cmake/dependencies.cmake.
file(GLOB CREMA_CPU_ENGINE_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/shared/*.cpp)
set(CREMA_CPU_ENGINE_LIBRARIES)
# Of the GPU's engines, compiled by nvcc; there is none yet.
set(CREMA_CUDA_ENGINE_SOURCES)
set(CREMA_CUDA_ENGINE_LIBRARIES)

if(CREMA_ONEDNN)
  file(GLOB CREMA_ONEDNN_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/onednn/*.cpp)
  list(FILTER CREMA_ONEDNN_SOURCES EXCLUDE REGEX "primitives_v[0-9]\\.cpp$")
  list(APPEND CREMA_CPU_ENGINE_SOURCES ${CREMA_ONEDNN_SOURCES}
    ${CMAKE_CURRENT_LIST_DIR}/onednn/primitives_v${CREMA_ONEDNN}.cpp)
  list(APPEND CREMA_CPU_ENGINE_LIBRARIES crema::ONEDNN)
endif()

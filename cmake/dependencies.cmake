# Everything that crema needs. Each miss names the Debian and Ubuntu package.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Protobuf REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs)

function(crema_find_library variable package)
  cmake_parse_arguments(ARG "" "HEADER" "NAMES;HINTS" ${ARGN})
  find_library(${variable}_LIBRARY NAMES ${ARG_NAMES} HINTS ${ARG_HINTS})
  find_path(${variable}_INCLUDE NAMES ${ARG_HEADER} HINTS ${ARG_HINTS} PATH_SUFFIXES include)
  if(NOT ${variable}_LIBRARY OR NOT ${variable}_INCLUDE)
    message(FATAL_ERROR "${ARG_NAMES} was not found; install it with: apt install ${package}")
  endif()
  add_library(crema::${variable} UNKNOWN IMPORTED)
  set_target_properties(crema::${variable} PROPERTIES
    IMPORTED_LOCATION ${${variable}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${${variable}_INCLUDE})
endfunction()

crema_find_library(OPENBLAS libopenblas-dev NAMES openblas HEADER openblas_config.h)
crema_find_library(LMDB liblmdb-dev NAMES lmdb HEADER lmdb.h)
crema_find_library(LEVELDB libleveldb-dev NAMES leveldb HEADER leveldb/db.h)
crema_find_library(GLOG libgoogle-glog-dev NAMES glog HEADER glog/logging.h)
crema_find_library(GFLAGS libgflags-dev NAMES gflags HEADER gflags/gflags.h)

if(CREMA_CUDA)
  find_package(CUDAToolkit 13 REQUIRED)
endif()
if(CREMA_TESTS)
  find_package(GTest REQUIRED)
endif()

# Everything that crema needs. Each miss names the Debian and Ubuntu package.
find_package(Threads REQUIRED)
if(NOT CREMA_FUZZ)  # the readers do no arithmetic, and clang's OpenMP is another package
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()
find_package(Protobuf REQUIRED)
find_package(ZLIB REQUIRED)
find_package(JPEG REQUIRED)  # libjpeg-turbo
find_package(HDF5 REQUIRED COMPONENTS C)
# Debian's links to HDF5's libraries lie in a folder of their own; the libraries do not, so that
# nobody has to look for them there.
foreach(library IN LISTS HDF5_C_LIBRARIES)
  if(library MATCHES "^(/usr/lib/.*)/[^/]+$")
    list(APPEND CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES ${CMAKE_MATCH_1})
  endif()
endforeach()
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

# oneDNN may be missing: the build then goes without its engine. CREMA_ONEDNN is its version, 2 or 3,
# or 0.
set(CREMA_ONEDNN 0)
option(CREMA_WITH_ONEDNN "Build the layers that oneDNN runs, where it is installed" ON)
find_library(ONEDNN_LIBRARY NAMES dnnl)
find_path(ONEDNN_INCLUDE NAMES oneapi/dnnl/dnnl_version.h)
if(CREMA_WITH_ONEDNN AND ONEDNN_LIBRARY AND ONEDNN_INCLUDE)
  file(STRINGS ${ONEDNN_INCLUDE}/oneapi/dnnl/dnnl_version.h line
    REGEX "define DNNL_VERSION_MAJOR +[0-9]+")
  string(REGEX MATCH "[0-9]+" CREMA_ONEDNN "${line}")
endif()
if(CREMA_ONEDNN EQUAL 2 OR CREMA_ONEDNN EQUAL 3)
  add_library(crema::ONEDNN UNKNOWN IMPORTED)
  set_target_properties(crema::ONEDNN PROPERTIES
    IMPORTED_LOCATION ${ONEDNN_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${ONEDNN_INCLUDE})
else()
  set(CREMA_ONEDNN 0)
  message(STATUS "Building without oneDNN, which makes convolutions several times faster; "
    "to have it: apt install libdnnl-dev")
endif()

if(CREMA_CUDA)
  find_package(CUDAToolkit 13 REQUIRED)
endif()
if(CREMA_TESTS AND NOT CREMA_FUZZ)
  find_package(GTest REQUIRED)
endif()

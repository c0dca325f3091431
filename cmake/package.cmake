# `cpack`: a .deb and a .tar.gz of what `cmake --install` makes.
set(CREMA_MAINTAINER "the crema authors <crema@localhost>" CACHE STRING
  "Who answers for packages, as Debian writes it: Name <address>")
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME crema)
set(CPACK_PACKAGE_VENDOR "the crema authors")
set(CPACK_PACKAGE_CONTACT "${CREMA_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "training and running of convolutional networks")
set(CPACK_PACKAGE_DESCRIPTION
"crema trains and runs convolutional networks written in Caffe's
configuration language, on CPUs and GPUs. It reads and writes all of
Caffe's file formats and takes Caffe's flags. This package has the
program, its library with the headers, example nets and documentation.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
string(TOLOWER ${CMAKE_SYSTEM_NAME} system)
set(CPACK_PACKAGE_FILE_NAME crema-${PROJECT_VERSION}-${system}-${CMAKE_SYSTEM_PROCESSOR})

# The libraries that programs were linked with are the packages that the .deb depends on.
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/check_package_tools.cmake)
include(CPack)

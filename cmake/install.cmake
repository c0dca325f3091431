# `cmake --install`: a tree that runs where it lies, and that CMake and pkg-config find.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# A program finds the library from its own place, and both find what lies outside the system's
# folders (CUDA's libraries) where it was when they were linked.
file(RELATIVE_PATH libraries_from_programs
  ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set_target_properties(crema_tool PROPERTIES INSTALL_RPATH $ORIGIN/${libraries_from_programs})
set(installed crema_tool crema crema_image_codecs)
if(TARGET crema_v3)
  list(APPEND installed crema_v3)
endif()
set_target_properties(${installed} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)

install(TARGETS crema_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS crema_image_codecs LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS crema EXPORT cremaTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION
    ${CMAKE_INSTALL_INCLUDEDIR} ${CMAKE_INSTALL_INCLUDEDIR}/crema/targets/cpu)
if(TARGET crema_v3)
  install(TARGETS crema_v3
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/glibc-hwcaps/x86-64-v3 NAMELINK_SKIP)
endif()

# The public headers include "target/target.h", so the folder of a target is on the include path,
# too.
install(DIRECTORY include/crema DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY src/math/cpu/target DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/crema/targets/cpu)
if(CREMA_CUDA)
  install(DIRECTORY src/math/cuda/target DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/crema/targets/cuda)
endif()

# find_package(crema). Before version 1, programs have to be compiled again for each 0.x.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cremaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(EXPORT cremaTargets NAMESPACE crema:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/crema)
install(FILES cmake/cremaConfig.cmake ${PROJECT_BINARY_DIR}/cremaConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/crema)

# pkg-config crema.
file(RELATIVE_PATH CREMA_PREFIX_FROM_PKGCONFIG
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/crema.pc.in ${PROJECT_BINARY_DIR}/crema.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/crema.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The program needs no files beside itself and its libraries; these are for people.
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/crema
  FILES_MATCHING PATTERN "*.prototxt" PATTERN "README.md")
install(DIRECTORY data DESTINATION ${CMAKE_INSTALL_DATADIR}/crema USE_SOURCE_PERMISSIONS
  FILES_MATCHING PATTERN "*.sh" PATTERN "README.md")
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

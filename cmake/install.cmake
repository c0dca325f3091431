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
  install(FILES src/device/cuda_device.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/crema/targets/cuda/device)
endif()

# find_package(crema). Before version 1, programs have to be compiled again for each 0.x.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cremaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/crema)
install(EXPORT cremaTargets NAMESPACE crema:: DESTINATION ${config})
install(FILES cmake/cremaConfig.cmake ${PROJECT_BINARY_DIR}/cremaConfigVersion.cmake
  DESTINATION ${config})

# crema_add_plugin: layers read their options from messages of protobuf.
file(RELATIVE_PATH CREMA_INCLUDE_FROM_CONFIG
  ${CMAKE_INSTALL_FULL_LIBDIR}/cmake/crema ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cmake/cremaPlugin.cmake.in ${PROJECT_BINARY_DIR}/cremaPlugin.cmake @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cremaPlugin.cmake cmake/embed.cmake DESTINATION ${config})
install(FILES ${PROJECT_BINARY_DIR}/plugin_interface.cmake DESTINATION ${config}
  RENAME cremaPluginInterface.cmake)
install(FILES proto/crema.proto ${PROJECT_BINARY_DIR}/proto/crema.pb.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/crema/schema)

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

# Its links, which lead through the source tree.
install(CODE "
  set(CREMA_DOCDIR [[${CMAKE_INSTALL_DOCDIR}]])
  set(CREMA_DATADIR [[${CMAKE_INSTALL_DATADIR}]])
  set(CREMA_INCLUDEDIR [[${CMAKE_INSTALL_INCLUDEDIR}]])")
install(SCRIPT cmake/installed_links.cmake)

# find_package(crema) makes the target crema::crema. Its headers need no other library.
include(${CMAKE_CURRENT_LIST_DIR}/cremaTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/cremaPlugin.cmake)  # crema_add_plugin

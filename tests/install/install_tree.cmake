# cmake -DBUILD=FOLDER -DPREFIX=FOLDER -P install_tree.cmake
# Installs a build into PREFIX, which afterwards holds that and nothing else.
unset(ENV{DESTDIR})
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

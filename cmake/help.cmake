# Man pages and shell completion, which the program makes from its own help.
set(CREMA_HELP_FOLDER ${PROJECT_BINARY_DIR}/help)
set(zsh_script ${CREMA_HELP_FOLDER}/zsh/_crema)  # the last to be made
# What libraries keep until the end of the process fails tests, not the build.
set(make_help ${CMAKE_COMMAND} -E env --unset=CREMA_PLUGINS ASAN_OPTIONS=detect_leaks=0
  $<TARGET_FILE:crema_tool> help)
add_custom_command(OUTPUT ${zsh_script}
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${CREMA_HELP_FOLDER}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CREMA_HELP_FOLDER}/bash ${CREMA_HELP_FOLDER}/zsh
  COMMAND ${make_help} --man=${CREMA_HELP_FOLDER}/man
  COMMAND ${make_help} --completion=bash > ${CREMA_HELP_FOLDER}/bash/crema
  COMMAND ${make_help} --completion=zsh > ${zsh_script}
  DEPENDS crema_tool
  COMMENT "Making man pages and shell completion"
  VERBATIM)
add_custom_target(crema_help ALL DEPENDS ${zsh_script})

install(DIRECTORY ${CREMA_HELP_FOLDER}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CREMA_HELP_FOLDER}/bash/crema
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
# Debian's zsh looks for the scripts of packages in a folder of its own.
foreach(folder site-functions vendor-completions)
  install(FILES ${zsh_script} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${folder})
endforeach()

# Runs in `cmake --install` behind the documentation: its links lead to where the tree's files were
# installed. What was not installed is named, without a link. install.cmake sets CREMA_DOCDIR,
# CREMA_DATADIR and CREMA_INCLUDEDIR, which lie below the prefix or are absolute.
foreach(name IN ITEMS DOCDIR DATADIR INCLUDEDIR)
  cmake_path(ABSOLUTE_PATH CREMA_${name} BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
    OUTPUT_VARIABLE ${name})
endforeach()

# `from` and `end` are parts of regular expressions; `up` leads to the tree's root.
macro(crema_lead from end to)
  string(REGEX REPLACE "\\]\\(${up}${from}${end}\\)" "](${to}\\1)" text "${text}")
endmacro()

set(root $ENV{DESTDIR}${DOCDIR})
file(GLOB_RECURSE pages RELATIVE ${root} ${root}/*.md)
foreach(page IN LISTS pages)
  get_filename_component(folder ${DOCDIR}/${page} DIRECTORY)
  file(RELATIVE_PATH to_doc ${folder} ${DOCDIR})
  file(RELATIVE_PATH to_data ${folder} ${DATADIR}/crema)
  file(RELATIVE_PATH to_include ${folder} ${INCLUDEDIR})
  string(REGEX REPLACE "[^/]+/" "[.][.]/" up "${page}")
  get_filename_component(up "${up}" DIRECTORY)
  if(NOT up STREQUAL "")
    string(APPEND up "/")
    string(APPEND to_doc "/")
  endif()
  file(READ ${root}/${page} before)
  set(text "${before}")
  crema_lead(models "(|/[^)]*)" ${to_data}/models)
  crema_lead(data "(|/[^)]*)" ${to_data}/data)
  crema_lead(include "(/[^)]*)" ${to_include})
  crema_lead(proto/crema.proto "(|#[^)]*)" ${to_include}/crema/schema/crema.proto)
  crema_lead(LICENSE "()" ${to_doc}copyright)
  string(REGEX REPLACE
    "\\[[^]]*\\]\\(${up}((src|tests|tools|cmake)(/[^)]*)?|CONTRIBUTING.md)\\)"
    "`\\1` of crema's source" text "${text}")
  if(NOT text STREQUAL before)
    file(WRITE ${root}/${page} "${text}")
  endif()
endforeach()

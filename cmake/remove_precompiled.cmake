# Removes the precompiled headers of a build folder, FOLDER. ccache takes a header that is compiled
# again for the old one if the old one still lies there, whatever it includes.
file(GLOB_RECURSE headers ${FOLDER}/*/cmake_pch.hxx.gch ${FOLDER}/*/cmake_pch.hxx.pch)
if(headers)
  file(REMOVE ${headers})
endif()

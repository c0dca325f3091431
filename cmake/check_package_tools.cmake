# Read by cpack before it makes a package: without these tools a .deb would name no dependencies.
if(CPACK_GENERATOR STREQUAL "DEB")
  foreach(tool dpkg-shlibdeps file)
    find_program(found NAMES ${tool})
    if(NOT found)
      message(FATAL_ERROR "${tool} was not found, which a .deb needs to name the packages that it "
        "depends on; to have it: apt install dpkg-dev file")
    endif()
    unset(found CACHE)
  endforeach()
endif()

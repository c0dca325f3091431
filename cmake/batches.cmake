# CREMA_LAYER_BATCH: how many layer files are compiled at once for the GPU, for the fake GPU of the
# tests and, with sanitizers, for the CPU. What layer files have in common (the schema's header above
# all) is then read once for each batch: eight files take nvcc a fifth of the time, and g++ half of
# it. But a change of one layer compiles its batch again. In a batch, the files share one anonymous
# namespace.
set(CREMA_LAYER_BATCH 1 CACHE STRING
  "How many layer files are compiled at once for the GPU; 8 is best for a whole build, 1 for work")

# Sets `result` to the sources or, if a batch is more than one, to files with the suffix that include
# so many of them each.
function(crema_batch_sources result suffix)
  set(rest ${ARGN})
  if(CREMA_LAYER_BATCH LESS_EQUAL 1)
    set(${result} ${rest} PARENT_SCOPE)
    return()
  endif()
  set(batches)
  while(rest)
    list(LENGTH batches number)
    set(text "// Made by cmake/batches.cmake.\n")
    foreach(i RANGE 1 ${CREMA_LAYER_BATCH})
      if(rest)
        list(POP_FRONT rest source)
        string(APPEND text "#include \"${source}\"\n")
      endif()
    endforeach()
    set(batch ${CMAKE_CURRENT_BINARY_DIR}/batches/batch_${number}.${suffix})
    file(CONFIGURE OUTPUT ${batch} CONTENT "${text}" @ONLY)
    list(APPEND batches ${batch})
  endwhile()
  set(${result} ${batches} PARENT_SCOPE)
endfunction()

# cmake -DSOURCE=FOLDER -DVERSION=X -DPROTOBUF=Y -DOUTPUT=PATH -P plugin_interface.cmake
# Writes PATH.cpp, for the library, and PATH.cmake, for the package: what plug-ins must be built for.
file(GLOB_RECURSE files ${SOURCE}/include/crema/*.h ${SOURCE}/src/math/*/target/*.h)
list(APPEND files ${SOURCE}/src/device/cuda_device.h ${SOURCE}/proto/crema.proto)
list(SORT files)
set(digests "")
foreach(file IN LISTS files)
  file(SHA256 ${file} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING ${digest} 0 8 digest)
set(interface ${VERSION}-${digest}-protobuf-${PROTOBUF})
file(WRITE ${OUTPUT}.cpp "namespace crema {\nextern const char kPluginInterface[];\n\
const char kPluginInterface[] = \"${interface}\";\n}\n")
file(WRITE ${OUTPUT}.cmake "set(crema_PLUGIN_INTERFACE ${interface})\n\
set(crema_PROTOBUF_VERSION ${PROTOBUF})\n")

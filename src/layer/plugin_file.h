// What the file of a plug-in says, before any of its code runs.
#pragma once

#include <string>

namespace crema {

struct PluginFile {
  std::string name;    // as it says itself
  std::string schema;  // see Plugin::schema
};

// Throws Error, which begins with the path, if the file cannot be read, is no plug-in, or was built
// for another crema than this one.
PluginFile ReadPluginFile(const std::string& path);

// What plug-ins must be built for, such as "0.1-4f1c22ab-protobuf-3.21.12": the version of crema, a
// digest of the public headers and of the schema, and the version of protobuf.
extern const char kPluginInterface[];

}  // namespace crema

// Loads plug-ins: shared libraries with layers that others have built against the installed crema
// (see plugin.h and docs/adding_a_layer.md).
#pragma once

#include <string>
#include <vector>

namespace crema {

// One that has been loaded.
struct Plugin {
  std::string name;  // as it says itself
  std::string path;  // as it was loaded
  // Its options with their comments: a google.protobuf.FileDescriptorSet in binary form; "" if it
  // has none.
  std::string schema;
};

// Loads them one after the other; a path without a slash is one of the working folder. From then on
// nets may have their layers. One that is loaded already, from the same file, is left out. Plug-ins
// stay until the process ends.
//
// Throws Error, which begins with the path, if a file is not there or is no plug-in, if it was
// built for another version of crema, if the loader finds no library or symbol that it needs, or if
// it brings a layer type, an option or a number of an option that exists already. It is then not
// used, and those before it are.
//
// Any thread may call it, while others use nets and read files. (Messages of protobuf that the
// program itself reads at that time are another matter: protobuf has no lock for its tables.)
void LoadPlugins(const std::vector<std::string>& paths);

// Those that are loaded, in order. Any thread may call it.
std::vector<Plugin> LoadedPlugins();

}  // namespace crema

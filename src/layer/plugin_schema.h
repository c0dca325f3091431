// The options that a plug-in brings, and protobuf, which ends the program where two parts of it
// bring the same.
#pragma once

#include <string>

namespace crema {

// Throws Error, which begins with `path`, if `schema` (see Plugin::schema) is damaged, or has
// something that exists already: a file, a name, a field of a layer, or the number of an option.
// Its library must not have been loaded.
void CheckPluginSchema(const std::string& path, const std::string& schema);

// Makes the options known by their names. To be called when the library has been loaded.
void AdoptPluginSchema(const std::string& schema);

}  // namespace crema

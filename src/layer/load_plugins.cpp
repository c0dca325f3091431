#include "crema/load_plugins.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <mutex>
#include <shared_mutex>

#include "crema/error.h"
#include "layer/held_registrations.h"
#include "layer/plugin_file.h"
#include "layer/plugin_schema.h"
#include "schema/extensions.h"

namespace crema {
namespace {

// A library that is in the process for good.
struct Entry {
  dev_t device;
  ino_t inode;
  Plugin plugin;
  std::string refusal;  // why it is not used; "" if it is
};

class PluginList {
 public:
  void Load(const std::string& path);
  std::vector<Plugin> Loaded();

 private:
  const Entry* Find(const struct stat& file) const;
  void CheckName(const std::string& path, const std::string& name) const;

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

// Never destroyed: threads that outlive main may use it.
PluginList& ThePlugins() {
  static auto* const list = new PluginList;
  return *list;
}

// Runs the constructors of its globals, which register its layers. It is never closed: protobuf and
// the registries point into it.
void Open(const std::string& path) {
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) != nullptr) return;
  const char* said = dlerror();
  std::string why = said == nullptr ? "the loader does not say why" : said;
  const std::string start = file + ": ";
  if (why.rfind(start, 0) == 0) why.erase(0, start.size());
  Fail(path, ": cannot be loaded: ", why);
}

const Entry* PluginList::Find(const struct stat& file) const {
  for (const Entry& entry : entries_) {
    if (entry.device == file.st_dev && entry.inode == file.st_ino) return &entry;
  }
  return nullptr;
}

void PluginList::CheckName(const std::string& path, const std::string& name) const {
  for (const Entry& entry : entries_) {
    if (entry.plugin.name != name) continue;
    Fail(path, ": the plug-in '", name, "' has been loaded already, from ", entry.plugin.path,
         "; leave one of them out, or rename it");
  }
}

// Publishes what was registered while `path` was loaded. Returns why it cannot be used, or "".
std::string WhyNotPublish(const std::string& path, HeldRegistrations* held) {
  if (held->empty()) return Concat(path, ": has no layers; register them (CREMA_REGISTER_LAYER)");
  try {
    held->Publish();
  } catch (const Error& error) {
    return Concat(path, ": ", error.what());
  }
  return "";
}

void PluginList::Load(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const PluginFile file = ReadPluginFile(path);
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) Fail(path, ": cannot be opened");
  if (const Entry* entry = Find(info)) {
    if (!entry->refusal.empty()) throw Error(entry->refusal);
    return;
  }
  CheckName(path, file.name);
  const std::unique_lock<std::shared_mutex> alone(ExtensionsMutex());
  CheckPluginSchema(path, file.schema);
  HeldRegistrations held;
  Open(path);
  AdoptPluginSchema(file.schema);
  entries_.push_back({info.st_dev, info.st_ino, {file.name, path, file.schema}, ""});
  entries_.back().refusal = WhyNotPublish(path, &held);
  if (!entries_.back().refusal.empty()) throw Error(entries_.back().refusal);
}

std::vector<Plugin> PluginList::Loaded() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Plugin> plugins;
  for (const Entry& entry : entries_) {
    if (entry.refusal.empty()) plugins.push_back(entry.plugin);
  }
  return plugins;
}

}  // namespace

void LoadPlugins(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (path.empty()) Fail("LoadPlugins was given an empty path; name the file of a plug-in (.so)");
    ThePlugins().Load(path);
  }
}

std::vector<Plugin> LoadedPlugins() { return ThePlugins().Loaded(); }

}  // namespace crema

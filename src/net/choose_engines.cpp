// Which engine runs a layer: the one that is named, or the fastest that can.
#include <cxxabi.h>

#include <exception>

#include "base/strings.h"
#include "crema.pb.h"
#include "net/passes.h"

namespace crema {
namespace {

// The engine that the options of a layer name, in whichever of its messages the field is; DEFAULT
// where they name none.
std::string NamedEngine(const proto::LayerParameter& config) {
  const google::protobuf::Reflection& reflection = *config.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(config, &fields);
  for (const auto* field : fields) {
    const bool is_options = !field->is_repeated() && field->message_type() != nullptr;
    const auto* engine = is_options ? field->message_type()->FindFieldByName("engine") : nullptr;
    if (engine == nullptr || engine->enum_type() == nullptr) continue;
    const google::protobuf::Message& options = reflection.GetMessage(config, field);
    return std::string(options.GetReflection()->GetEnum(options, engine)->name());
  }
  return "DEFAULT";
}

bool IsInBuild(const std::string& engine, DeviceKind device) {
  return engine == "DEFAULT" || HasEngine(engine, device);
}

void CheckInBuild(const std::string& who, const std::string& engine, DeviceKind device) {
  if (IsInBuild(engine, device)) return;
  Fail(who, ": engine ", engine, " is not available for the ", ToString(device),
       " in this build of crema; use DEFAULT, or one of ", Join(EngineNames(device)));
}

// Both of two notes, each of which may be empty.
std::string Both(const std::string& a, const std::string& b) {
  if (a == b || b.empty()) return a;
  return a.empty() ? b : Concat(a, ", ", b);
}

InLayer TitleOf(const proto::LayerParameter& config) { return {config.name(), config.type()}; }

// "" if the engine can run it. What the engine's library throws is a reason, too.
std::string WhyNotBy(const EngineEntry& entry, const EngineQuery& query) {
  try {
    return entry.why_not(query);
  } catch (const Error&) {
    RethrowFor(TitleOf(query.config), entry.Title());
  } catch (const std::exception& error) {
    return Concat("it failed: ", error.what());
  } catch (const abi::__forced_unwind&) {  // see RethrowFor
    throw;
  } catch (...) {
    return "it threw something that is no std::exception";
  }
}

EngineChoice OwnCode(const EngineQuery& query, DeviceKind device, const std::string& note) {
  try {
    return {CreateLayer(query.config, query.input.phase, device), "CAFFE", note};
  } catch (...) {
    RethrowFor(TitleOf(query.config), "CAFFE");
  }
}

EngineChoice CodeOf(const EngineEntry& entry, const EngineQuery& query, const std::string& note) {
  try {
    return {entry.factory(query.config, query.input.phase), entry.Title(), note};
  } catch (...) {
    RethrowFor(TitleOf(query.config), entry.Title());
  }
}

}  // namespace

// The net's choice goes first: it is how a command's --engine says which one to use, and means it
// for the layers that have it. CUDNN stands in many nets that were written for another machine;
// Caffe runs them on a CPU, too, and the numbers are the same.
EngineChoice CreateByEngine(const std::string& net_engine, const EngineQuery& query,
                            DeviceKind device) {
  const std::string title = TitleOf(query.config);
  const std::string own = NamedEngine(query.config);
  std::string wanted = net_engine.empty() ? own : net_engine;
  std::string note, missed;  // missed: an engine or a precision that the files want
  if (net_engine.empty() && own == "CUDNN" && !IsInBuild(own, device)) {
    missed = Concat("not CUDNN: this build has none for the ", ToString(device));
    wanted = "DEFAULT";
  }
  CheckInBuild(net_engine.empty() ? title : "the net", wanted, device);
  const bool must = net_engine.empty() && wanted != "DEFAULT" && wanted != "CAFFE";
  if (wanted == "CAFFE") return OwnCode(query, device, "");
  for (const EngineEntry& entry : EnginesFor(query.config.type(), device)) {
    const bool is_usual =
        entry.precision == Precision::kFloat32 || entry.precision == query.precision;
    if (wanted == "DEFAULT" ? !is_usual : !entry.IsCalled(wanted)) continue;
    const std::string why_not = WhyNotBy(entry, query);
    if (why_not.empty()) return CodeOf(entry, query, missed);
    note = Concat("not ", entry.Title(), ": ", why_not);
    if (entry.precision != Precision::kFloat32) missed = Both(missed, note);
  }
  if (must) {
    Fail(TitleOf(query.config), ": engine ", wanted,
         " cannot run this layer: ", note.empty() ? "it does not support the type" : note,
         "; use DEFAULT or CAFFE");
  }
  return OwnCode(query, device, Both(missed, note));
}

}  // namespace crema

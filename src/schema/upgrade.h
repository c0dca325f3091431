// Brings nets and solvers in Caffe's older formats to the present one, and reads their files.
#pragma once

#include <string>
#include <vector>

namespace crema {

namespace proto {
class NetParameter;
class SolverParameter;
}  // namespace proto

// Each returns what it changed, as sentences without an end for the log, such as "layers in the
// oldest format (V0) were converted"; an empty list if all was up to date. Throws Error,
// beginning with `name_for_errors`, for what cannot be converted; the message is then in an
// unspecified state. Any thread may call these.

// Converts, as Caffe does: `layers` of the formats V0 and V1 into `layer`, with padding layers of
// V0 merged into the next; transformations that stand in the data parameters of V1; `input` fields
// into an Input layer at the beginning; BatchNorm's three `param` groups, which become fixed.
std::vector<std::string> UpgradeNet(const std::string& name_for_errors, proto::NetParameter* net);

// Converts `solver_type` into `type`, and the nets that are written inside the solver.
std::vector<std::string> UpgradeSolver(const std::string& name_for_errors,
                                       proto::SolverParameter* solver);

// Read a text (see text_reader.h) and upgrade it. The results are those of the upgrade.
std::vector<std::string> ReadNetFile(const std::string& path, proto::NetParameter* net);
std::vector<std::string> ReadNetText(const std::string& text, const std::string& name_for_errors,
                                     proto::NetParameter* net);

// The same for a solver. Also settles `snapshot_prefix` as Caffe does: the solver's path without
// its extension if there is none, and PREFIX/NAME if it names a folder.
std::vector<std::string> ReadSolverFile(const std::string& path, proto::SolverParameter* solver);

}  // namespace crema

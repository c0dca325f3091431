// crema show: the compiled plan of a net.
#include <iostream>

#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/net/net.h"

namespace crema {

int RunShow(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  const proto::NetParameter config = NetFromFlags(PhaseFromFlags(Phase::kTrain));
  const Net net(config, DeviceFromFlags());
  std::cout << net.Describe() << std::flush;
  if (!std::cout) throw std::runtime_error("the plan could not be written to standard output");
  return 0;
}

}  // namespace crema

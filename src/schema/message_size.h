// How much memory a protobuf message takes, found in its binary form before it is read: an empty
// message takes two bytes there, and hundreds in memory.
#pragma once

#include <cstdint>
#include <string>

namespace google::protobuf {
class Message;
}

namespace crema {

// About what the message `bytes`, of the type of `message`, will take, in bytes; no less than half
// of it. Takes no memory itself, however `bytes` may be damaged, and counts up to the damage.
uint64_t SizeInMemory(const std::string& bytes, const google::protobuf::Message& message);

// Whether that is in proportion to the size of the file. It is for all that anybody stores.
bool IsInProportion(const std::string& bytes, const google::protobuf::Message& message);

}  // namespace crema

// For layers that write a file, which has its name only once the run has ended.
#pragma once

#include <string>

namespace crema {

// A second base of such a layer. Until the end of the layer, what passes write is in a temporary
// file. A layer that is destroyed finishes its file, but can only log what fails then; one that an
// exception destroys drops it.
class WritesFile {
 public:
  virtual ~WritesFile() = default;  // the layer is deleted as a Layer
  // As the net's text names it.
  virtual const std::string& file_name() const = 0;
  // Puts what the passes so far have written in the place of what stands there; nothing if there
  // were none. The next pass begins a new file. Throws Error if that fails.
  virtual void FinishFile() = 0;
  // Drops what the passes so far have written, and leaves what stands there.
  virtual void DropFile() = 0;
};

}  // namespace crema

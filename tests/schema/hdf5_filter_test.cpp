#include <gtest/gtest.h>
#include <hdf5.h>

#include "crema/error.h"
#include "schema/hdf5_io.h"
#include "schema/schema_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

constexpr H5Z_filter_t kFilter = 300;  // for tests, by HDF5's rules from 256 to 511

size_t Copy(unsigned, size_t, const unsigned*, size_t bytes, size_t*, void**) { return bytes; }

// A dataset that only a filter can read which is not there any more.
void WriteFiltered(const std::string& path) {
  const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, kFilter, 1, 1, "squeezer", nullptr, nullptr, Copy};
  ASSERT_GE(H5Zregister(&filter), 0);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t extents[] = {4};
  const hid_t space = H5Screate_simple(1, extents, nullptr);
  const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plan, 1, extents);
  H5Pset_filter(plan, kFilter, H5Z_FLAG_MANDATORY, 0, nullptr);
  const hid_t data =
      H5Dcreate2(file, "data", H5T_IEEE_F32LE, space, H5P_DEFAULT, plan, H5P_DEFAULT);
  const float values[] = {1, 2, 3, 4};
  EXPECT_GE(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
  H5Dclose(data);
  H5Pclose(plan);
  H5Sclose(space);
  H5Fclose(file);
  EXPECT_GE(H5Zunregister(kFilter), 0);
}

TEST(Hdf5FileTest, NamesAFilterThatIsNotThere) {
  const std::string path = (TestFolder() / "filtered.h5").string();
  WriteFiltered(path);
  const Hdf5File file = Hdf5File::Open(path);
  const std::vector<std::string> parts = {path +
                                              ": dataset 'data' is compressed by the filter "
                                              "'squeezer' (number 300)",
                                          "gzip", "HDF5_PLUGIN_PATH"};
  ExpectError([&] { file.Shape("data"); }, parts);
  ExpectError([&] { file.ReadFloats("data"); }, parts);
}

}  // namespace
}  // namespace crema::test

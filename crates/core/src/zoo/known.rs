//! The names of the zoo, with the spellings of torchvision and timm and with where each network comes from.
//!
//! Families with a width in their names (`mobilenet_v1_0.25`) are known at any width; the usual ones are listed.

/// A network of the zoo that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name that [`super::Named`] takes.
    pub name: &'static str,
    /// Other spellings: those of torchvision and timm.
    pub also: &'static [&'static str],
    /// The paper that describes it.
    pub source: &'static str,
    /// Side of the square images that it was made for.
    pub resolution: u32,
}

const fn known(
    name: &'static str,
    also: &'static [&'static str],
    source: &'static str,
    resolution: u32,
) -> Known {
    Known { name, also, source, resolution }
}

/// The networks of the zoo, family by family.
pub const KNOWN: &[Known] = &[
    known("alexnet", &[], "Krizhevsky 2014, One weird trick", 224),
    known("vgg11", &["vgg11_bn"], "Simonyan & Zisserman 2015", 224),
    known("vgg13", &["vgg13_bn"], "Simonyan & Zisserman 2015", 224),
    known("vgg16", &["vgg16_bn"], "Simonyan & Zisserman 2015", 224),
    known("vgg19", &["vgg19_bn"], "Simonyan & Zisserman 2015", 224),
    known("resnet34", &[], "He et al. 2016", 224),
    known("resnet101", &[], "He et al. 2016", 224),
    known("resnet152", &[], "He et al. 2016", 224),
    known("resnet200", &[], "He et al. 2016", 224),
    known("resnet18_vd", &[], "He et al. 2019, Bag of tricks", 224),
    known("resnet34_vd", &[], "He et al. 2019, Bag of tricks", 224),
    known("resnet50_vd", &[], "He et al. 2019, Bag of tricks", 224),
    known("resnet101_vd", &[], "He et al. 2019, Bag of tricks", 224),
    known("resnet152_vd", &[], "He et al. 2019, Bag of tricks", 224),
    known("resnet_v2_101", &[], "He et al. 2016, Identity mappings", 299),
    known("resnext50_32x4d", &[], "Xie et al. 2017", 224),
    known("resnext101_32x4d", &[], "Xie et al. 2017", 224),
    known("resnext101_32x8d", &[], "Xie et al. 2017", 224),
    known("resnext101_64x4d", &[], "Xie et al. 2017", 224),
    known("resnext152_32x4d", &[], "Xie et al. 2017", 224),
    known("se_resnext50_32x4d", &[], "Hu et al. 2018", 224),
    known("se_resnext101_32x4d", &[], "Hu et al. 2018", 224),
    known("wide_resnet50_2", &[], "Zagoruyko & Komodakis 2016", 224),
    known("wide_resnet101_2", &[], "Zagoruyko & Komodakis 2016", 224),
    known("squeezenet_1.1", &["squeezenet1_1"], "Iandola et al. 2016", 224),
    known("googlenet", &[], "Szegedy et al. 2015", 224),
    known("densenet121", &[], "Huang et al. 2017", 224),
    known("densenet161", &[], "Huang et al. 2017", 224),
    known("densenet169", &[], "Huang et al. 2017", 224),
    known("densenet201", &[], "Huang et al. 2017", 224),
    known("densenet264", &[], "Huang et al. 2017", 224),
    known("regnetx_002", &[], "Radosavovic et al. 2020", 224),
    known("regnetx_004", &[], "Radosavovic et al. 2020", 224),
    known("regnetx_006", &[], "Radosavovic et al. 2020", 224),
    known("regnetx_008", &["regnet_x_800mf"], "Radosavovic et al. 2020", 224),
    known("regnetx_016", &["regnet_x_1_6gf"], "Radosavovic et al. 2020", 224),
    known("regnetx_032", &["regnet_x_3_2gf"], "Radosavovic et al. 2020", 224),
    known("regnetx_040", &[], "Radosavovic et al. 2020", 224),
    known("regnetx_064", &[], "Radosavovic et al. 2020", 224),
    known("regnetx_080", &["regnet_x_8gf"], "Radosavovic et al. 2020", 224),
    known("regnetx_120", &[], "Radosavovic et al. 2020", 224),
    known("regnetx_160", &["regnet_x_16gf"], "Radosavovic et al. 2020", 224),
    known("regnetx_320", &["regnet_x_32gf"], "Radosavovic et al. 2020", 224),
    known("regnet_x_400mf", &["regnetx_004_tv"], "Radosavovic et al. 2020", 224),
    known("regnety_002", &[], "Radosavovic et al. 2020", 224),
    known("regnety_004", &["regnet_y_400mf"], "Radosavovic et al. 2020", 224),
    known("regnety_006", &[], "Radosavovic et al. 2020", 224),
    known("regnety_008", &[], "Radosavovic et al. 2020", 224),
    known("regnety_016", &["regnet_y_1_6gf"], "Radosavovic et al. 2020", 224),
    known("regnety_032", &["regnet_y_3_2gf"], "Radosavovic et al. 2020", 224),
    known("regnety_040", &[], "Radosavovic et al. 2020", 224),
    known("regnety_064", &[], "Radosavovic et al. 2020", 224),
    known("regnety_080", &[], "Radosavovic et al. 2020", 224),
    known("regnety_120", &[], "Radosavovic et al. 2020", 224),
    known("regnety_160", &["regnet_y_16gf"], "Radosavovic et al. 2020", 224),
    known("regnety_320", &["regnet_y_32gf"], "Radosavovic et al. 2020", 224),
    known("regnet_y_800mf", &["regnety_008_tv"], "Radosavovic et al. 2020", 224),
    known("regnet_y_8gf", &["regnety_080_tv"], "Radosavovic et al. 2020", 224),
    known("resnest50", &["resnest50d"], "Zhang et al. 2020, ResNeSt", 224),
    known("resnest101", &["resnest101e"], "Zhang et al. 2020, ResNeSt", 256),
    known("resnest200", &["resnest200e"], "Zhang et al. 2020, ResNeSt", 320),
    known("resnest269", &["resnest269e"], "Zhang et al. 2020, ResNeSt", 416),
    known("dfnet_1", &[], "Li et al. 2019, Partial order pruning", 224),
    known("dfnet_2", &[], "Li et al. 2019, Partial order pruning", 224),
    known("dfnet_2a", &[], "Li et al. 2019, Partial order pruning", 224),
    known("mobilenet_v1_0.25", &[], "Howard et al. 2017", 224),
    known("mobilenet_v1_0.5", &[], "Howard et al. 2017", 224),
    known("mobilenet_v1_0.75", &[], "Howard et al. 2017", 224),
    known("mobilenet_v1_1.0", &["mobilenet_v1"], "Howard et al. 2017", 224),
    known("mobilenet_v2_0.35", &[], "Sandler et al. 2018", 224),
    known("mobilenet_v2_0.5", &["mobilenetv2_050"], "Sandler et al. 2018", 224),
    known("mobilenet_v2_0.75", &[], "Sandler et al. 2018", 224),
    known("mobilenet_v2_1.0", &["mobilenetv2_100"], "Sandler et al. 2018", 224),
    known("mobilenet_v2_1.4", &["mobilenetv2_140"], "Sandler et al. 2018", 224),
    known("mobilenet_v3_small_0.75", &[], "Howard et al. 2019", 224),
    known("mobilenet_v3_small_1.0", &["mobilenet_v3_small"], "Howard et al. 2019", 224),
    known("mobilenet_v3_small_minimalistic", &[], "Howard et al. 2019", 224),
    known("mobilenet_v3_large_0.75", &[], "Howard et al. 2019", 224),
    known("mobilenet_v3_large_1.0", &["mobilenet_v3_large"], "Howard et al. 2019", 224),
    known("mobilenet_v3_large_minimalistic", &[], "Howard et al. 2019", 224),
    known("mnasnet_0.5", &["mnasnet0_5"], "Tan et al. 2019, MnasNet-B1", 224),
    known("mnasnet_0.75", &["mnasnet0_75"], "Tan et al. 2019, MnasNet-B1", 224),
    known("mnasnet_1.0", &["mnasnet1_0", "mnasnet_100"], "Tan et al. 2019, MnasNet-B1", 224),
    known("mnasnet_1.3", &["mnasnet1_3"], "Tan et al. 2019, MnasNet-B1", 224),
    known("dnanet_a", &[], "Li et al. 2020, DNA", 224),
    known("dnanet_b", &[], "Li et al. 2020, DNA", 224),
    known("dnanet_c", &[], "Li et al. 2020, DNA", 224),
    known("dnanet_d", &[], "Li et al. 2020, DNA", 224),
    known("semnasnet_0.75", &["semnasnet_075"], "Tan et al. 2019, MnasNet-A1", 224),
    known("semnasnet_1.0", &["semnasnet_100"], "Tan et al. 2019, MnasNet-A1", 224),
    known("proxylessnas_mobile", &[], "Cai et al. 2019", 224),
    known("efficientnet_b0", &["tf_efficientnet_b0"], "Tan & Le 2019", 224),
    known("efficientnet_b1", &["tf_efficientnet_b1"], "Tan & Le 2019", 240),
    known("efficientnet_b2", &["tf_efficientnet_b2"], "Tan & Le 2019", 260),
    known("efficientnet_b3", &["tf_efficientnet_b3"], "Tan & Le 2019", 300),
    known("efficientnet_b4", &["tf_efficientnet_b4"], "Tan & Le 2019", 380),
    known("efficientnet_b5", &["tf_efficientnet_b5"], "Tan & Le 2019", 456),
    known("efficientnet_b6", &["tf_efficientnet_b6"], "Tan & Le 2019", 528),
    known("efficientnet_b7", &["tf_efficientnet_b7"], "Tan & Le 2019", 600),
    known("shufflenet_v2_0.5", &["shufflenet_v2_x0_5"], "Ma et al. 2018", 224),
    known("shufflenet_v2_1.0", &["shufflenet_v2_x1_0"], "Ma et al. 2018", 224),
    known("shufflenet_v2_1.5", &["shufflenet_v2_x1_5"], "Ma et al. 2018", 224),
    known("shufflenet_v2_2.0", &["shufflenet_v2_x2_0"], "Ma et al. 2018", 224),
    known("pplcnet_0.25", &[], "Cui et al. 2021", 224),
    known("pplcnet_0.5", &[], "Cui et al. 2021", 224),
    known("pplcnet_1.0", &[], "Cui et al. 2021", 224),
    known("pplcnet_1.5", &[], "Cui et al. 2021", 224),
    known("pplcnet_2.0", &[], "Cui et al. 2021", 224),
    known("pplcnet_2.5", &[], "Cui et al. 2021", 224),
    known("inception_v3", &[], "Szegedy et al. 2016", 299),
    known("inception_v4", &[], "Szegedy et al. 2017", 299),
    known("dla60", &[], "Yu et al. 2018", 224),
    known("dla60x", &[], "Yu et al. 2018", 224),
    known("dla102", &[], "Yu et al. 2018", 224),
    known("dla102x", &[], "Yu et al. 2018", 224),
    known("dla102x2", &[], "Yu et al. 2018", 224),
    known("dla169", &[], "Yu et al. 2018", 224),
    known("efficientnet_lite0", &["tf_efficientnet_lite0"], "EfficientNet-lite 2020", 224),
    known("efficientnet_lite1", &["tf_efficientnet_lite1"], "EfficientNet-lite 2020", 240),
    known("efficientnet_lite2", &["tf_efficientnet_lite2"], "EfficientNet-lite 2020", 260),
    known("efficientnet_lite3", &["tf_efficientnet_lite3"], "EfficientNet-lite 2020", 300),
    known("efficientnet_lite4", &["tf_efficientnet_lite4"], "EfficientNet-lite 2020", 300),
    known("efficientnet_v2_s", &["tf_efficientnetv2_s"], "Tan & Le 2021", 384),
    known("efficientnet_v2_m", &["tf_efficientnetv2_m"], "Tan & Le 2021", 480),
    known("efficientnet_v2_l", &["tf_efficientnetv2_l"], "Tan & Le 2021", 480),
    known("convnext_tiny", &[], "Liu et al. 2022", 224),
    known("convnext_small", &[], "Liu et al. 2022", 224),
    known("convnext_base", &[], "Liu et al. 2022", 224),
    known("convnext_large", &[], "Liu et al. 2022", 224),
    known("convnextv2_atto", &[], "Woo et al. 2023", 224),
    known("convnextv2_femto", &[], "Woo et al. 2023", 224),
    known("convnextv2_pico", &[], "Woo et al. 2023", 224),
    known("convnextv2_nano", &[], "Woo et al. 2023", 224),
    known("convnextv2_tiny", &[], "Woo et al. 2023", 224),
    known("convnextv2_base", &[], "Woo et al. 2023", 224),
    known("convnextv2_large", &[], "Woo et al. 2023", 224),
    known("mobilenetv4_conv_small", &[], "Qin et al. 2024", 224),
    known("mobilenetv4_conv_medium", &[], "Qin et al. 2024", 224),
    known("repvit_m0_9", &[], "Wang et al. 2024", 224),
    known("repvit_m1_0", &[], "Wang et al. 2024", 224),
    known("repvit_m1_1", &[], "Wang et al. 2024", 224),
    known("repvit_m1_5", &[], "Wang et al. 2024", 224),
    known("repvit_m2_3", &[], "Wang et al. 2024", 224),
];

/// The listed network that is called `name` in any of its spellings.
pub fn known_as(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name || known.also.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::super::Named;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_a_network_and_no_spelling_occurs_twice() {
        let mut seen = BTreeSet::new();
        for known in KNOWN {
            Named::new(known.name, known.resolution).unwrap();
            for spelling in known.also.iter().chain([&known.name]) {
                assert!(seen.insert(*spelling), "{spelling}");
                assert_eq!(known_as(spelling), Some(known));
            }
        }
        assert_eq!(known_as("mobilenet_v3_large").unwrap().name, "mobilenet_v3_large_1.0");
        assert_eq!(known_as("mobilenet"), None);
    }
}

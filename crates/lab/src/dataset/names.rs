//! What published tables call runtimes, devices and networks, and what we call them.

use edgezen_core::zoo::known;

/// A source's name of a runtime as ours, and its version.
pub fn runtime(value: &str) -> (String, Option<String>) {
    let (name, version) = match value {
        "tflite_2018" => ("tflite", Some("2018")),
        "tflite_android10_cpu" => ("tflite", Some("android10")),
        "tflite_android10_gpu" => ("tflite-gpu", Some("android10")),
        "tflite_android10_nnapi" => ("tflite-nnapi", Some("android10")),
        "tensorflow_mobile_2018" => ("tensorflow-mobile", Some("2018")),
        "paddle_inference+tensorrt" => ("paddle-tensorrt", None),
        "paddle_lite" => ("paddlelite", None),
        other => (other, None),
    };
    (name.to_owned(), version.map(str::to_owned))
}

/// Beginnings of the names that ncnn gives its devices.
const NCNN_DEVICES: &[(&str, &str)] = &[
    ("raspberrypi3", "Raspberry Pi 3 Model B+"),
    ("raspberrypi4", "Raspberry Pi 4 Model B"),
    ("raspberrypi5", "Raspberry Pi 5 Broadcom BCM2712, Cortex-A76"),
    ("raspberrypizero2w", "Raspberry Pi Zero 2 W"),
    ("kirin970", "Kirin 970"),
    ("snapdragon855plus", "Qualcomm SM8150-AC"),
    ("snapdragon835", "Qualcomm MSM8998"),
    ("snapdragon821", "Qualcomm MSM8996 Pro"),
    ("snapdragon810", "Qualcomm MSM8994"),
    ("snapdragon765g", "Qualcomm SDM765G"),
    ("snapdragon660", "Qualcomm SDM660"),
    ("snapdragon410", "Qualcomm MSM8916"),
    ("orangepi5", "OrangePi5, Rockchip RK3588s"),
    ("orangepi5plus", "OrangePi5 Plus, Rockchip RK3588"),
    ("jetson_agx_orin", "NVIDIA Jetson AGX Orin"),
    ("snapdragon8gen2", "Qualcomm SM8550-AB Snapdragon 8 Gen 2"),
    ("loongson3a6000", "Loongson 3A6000"),
    ("visionfive2", "VisionFive2"),
    ("dimensity9300", "MediaTek Dimensity 9300"),
    ("jetson_orin_nano", "NVIDIA Jetson Orin Nano"),
    ("arduino_uno_q", "Arduino UNO Q"),
    ("avaota_aim_t527", "Avaota Aim T527"),
    ("axera_ax620a", "AXERA AX620A"),
    ("axera_ax630c", "AXERA AX630C"),
    ("azure_d64ps_v6", "Microsoft Azure Standard D64ps v6"),
    ("core_i7_13700k", "Intel® Core™ i7-13700K"),
    ("loongson2k2000", "Loongson 2K2000"),
    ("macbook_air_m3", "MacBook Air (13-inch, M3, 2024)"),
    ("muse_pi_pro", "Spacemit MUSE Pi Pro"),
    ("orangepi_cm4", "OrangePicm4"),
    ("phytiumpi", "PhytiumPi"),
    ("radxa_orion_o6", "Radxa Orion O6"),
    ("radxa_zero_3w", "Radxa Zero 3W"),
    ("rdk_x3", "RDK X3 Module"),
    ("sg2000", "CVITEK SG2000"),
    ("snapdragon_x_elite", "Qualcomm Snapdragon X Elite (X1E78100)"),
    ("station_m3", "Station-M3/ROC-RK3588S-PC"),
    ("th1520", "T-Head TH1520"),
];

/// A source's name of a device as ours: lower case, digits, `-`, `_`.
pub fn device(value: &str) -> String {
    if value == "sd855" {
        return "snapdragon855".to_owned();
    }
    if let Some((name, _)) = NCNN_DEVICES.iter().find(|(_, begins)| value.starts_with(begins)) {
        return (*name).to_owned();
    }
    let mut slug = String::new();
    for c in value.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' | '_' => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// A source's name of a network as that of the zoo; the zoo's own names mean themselves.
pub fn network(value: &str) -> Option<String> {
    let own = match value {
        // ncnn.
        "mobilenet" | "mobilenet_int8" => "mobilenet_v1_1.0",
        "mobilenet_v2" => "mobilenet_v2_1.0",
        "mobilenet_v3" => "mobilenet_v3_large_1.0",
        "mnasnet" => "mnasnet_1.0",
        "proxylessnasnet" => "proxylessnas_mobile",
        "shufflenet_v2" => "shufflenet_v2_1.0",
        "squeezenet" | "squeezenet_int8" => "squeezenet_1.1",
        "googlenet_int8" => "googlenet",
        "resnet18_int8" => "resnet18",
        "resnet50_int8" => "resnet50",
        "vgg16_int8" => "vgg16",
        // PaddleClas.
        "GoogLeNet" => "googlenet",
        "AlexNet" => "alexnet",
        "EfficientNetB0" => "efficientnet_b0",
        "MobileNetV1" => "mobilenet_v1_1.0",
        "MobileNetV2" => "mobilenet_v2_1.0",
        "ShuffleNetV2" => "shufflenet_v2_1.0",
        "SqueezeNet1_1" => "squeezenet_1.1",
        _ => return of_family(value),
    };
    Some(own.to_owned())
}

/// A network of a family whose names are made of a width or a depth.
fn of_family(value: &str) -> Option<String> {
    let scaled = [
        ("MobileNetV1_x", "mobilenet_v1_"),
        ("MobileNetV2_x", "mobilenet_v2_"),
        ("MobileNetV3_large_x", "mobilenet_v3_large_"),
        ("MobileNetV3_small_x", "mobilenet_v3_small_"),
        ("PPLCNet_x", "pplcnet_"),
        ("ShuffleNetV2_x", "shufflenet_v2_"),
    ];
    for (theirs, ours) in scaled {
        if let Some(width) = value.strip_prefix(theirs) {
            return Some(format!("{ours}{}", width.replacen('_', ".", 1)));
        }
    }
    for family in ["ResNeXt", "SE_ResNeXt", "ResNet", "SE_ResNet", "DenseNet", "VGG"] {
        if value.strip_prefix(family).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            let lower = value.to_lowercase();
            return Some(lower.strip_suffix("_wsl").map_or(lower.clone(), str::to_owned));
        }
    }
    // Spellings of torchvision and timm.
    Some(known::known_as(value).map_or(value, |known| known.name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_become_ours() {
        for (theirs, ours) in [
            ("ResNet50_vd", "resnet50_vd"),
            ("SE_ResNeXt50_vd_32x4d", "se_resnext50_vd_32x4d"),
            ("ResNeXt101_32x16d_wsl", "resnext101_32x16d"),
            ("MobileNetV3_small_x0_35", "mobilenet_v3_small_0.35"),
            ("mobilenet_v1_0.25", "mobilenet_v1_0.25"),
            ("tf_efficientnet_b3", "efficientnet_b3"),
            ("regnet_x_1_6gf", "regnetx_016"),
        ] {
            let name = network(theirs).unwrap();
            assert_eq!(name, ours);
            assert!(edgezen_core::zoo::Named::new(&name, 224).is_ok(), "{name}");
        }
        assert_eq!(device("Raspberry Pi 4 Model B Broadcom BCM2711B0, Cortex-A72"), "raspberrypi4");
        assert_eq!(device("AMD EPYC 7742 (2.25GHz)"), "amd-epyc-7742-2-25ghz");
        assert_eq!(device("titan_rtx"), "titan_rtx");
    }
}

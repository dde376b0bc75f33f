"""A made-up sample of every dialect in its exact layout: a device that lies face up and turns.

At rest it reads +9.81 m/s² on z; it turns about z by 0.5 rad/s, so that both units show.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

G = 9.80665
TURN = 0.5
DEG = np.degrees(TURN)


@dataclass(frozen=True)
class Sample:
    """What a sample is, and what is found in it."""

    name: str
    write: Callable[[Path], object]
    rate: float
    labels: frozenset[str]
    people: frozenset[str]
    units: str
    recordings: int
    gyro: bool = True


SAMPLES: list[Sample] = []


def sample(
    name: str,
    rate: float,
    units: str,
    labels: str = "",
    people: str = "",
    recordings: int = 1,
    gyro: bool = True,
) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Add what a function writes to the samples; labels and people are separated by spaces."""

    def add(write: Callable[[Path], object]) -> Callable[[Path], object]:
        some = (frozenset(labels.split(" ")), frozenset(people.split(" ")))
        SAMPLES.append(Sample(name, write, rate, *some, units, recordings, gyro))
        return write

    return add


def put(path: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    """Write lines of text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def rows(values: list[list[object]], separator: str = ",", end: str = "") -> list[str]:
    """Return lines of cells."""
    return [separator.join(str(cell) for cell in row) + end for row in values]


def times(n: int, rate: float, start: float = 0.0, size: float = 1.0) -> list[float]:
    """Return n times, in units of `size` seconds."""
    return [round((start + i / rate) / size, 6) for i in range(n)]


# Published sets.


@sample("pamap2", 100, "m/s², rad/s", "walking lying", "101", 6)
def _pamap2(folder: Path) -> None:
    imu = [30.0, 0, 0, G, 0, 0, G, 0, 0, TURN, 1, 1, 1, 1, 0, 0, 0]
    table = [
        [t, 0 if i < 20 else 4 if i < 220 else 1, "NaN", *imu, *imu, *imu]
        for i, t in enumerate(times(420, 100, 5.0))
    ]
    table[100][4] = "NaN"  # a lost packet
    put(folder / "Protocol" / "subject101.dat", *rows(table, " "))


@sample("mhealth", 50, "m/s², deg/s", "walking standing", "1", 6)
def _mhealth(folder: Path) -> None:
    table = [
        [
            *(0, 0, G),
            0.1,
            0.1,
            *(0, 0, G, 0, 0, DEG),
            1,
            1,
            1,
            *(0, 0, G, 0, 0, DEG),
            1,
            1,
            1,
            label,
        ]
        for label in [0] * 10 + [4] * 60 + [1] * 60
    ]
    put(folder / "mHealth_subject1.log", *rows(table, "\t"))


@sample("sisfall", 200, "counts: 1/256 g, 1/16.384 deg/s", "D01 F03", "SA01 SE06", 2)
def _sisfall(folder: Path) -> None:
    row = [0, 0, 256, 0, 0, round(DEG * 16.384), 0, 0, 1024]
    for person, code in (("SA01", "D01"), ("SE06", "F03")):
        lines = [",".join(f"{cell:4d}" for cell in row) + ";" for _ in range(200)]
        put(folder / person / f"{code}_{person}_R01.txt", *lines, end="\r\n")


@sample("usc-had", 100, "g, deg/s", "walking_forward sitting", "3", 2)
def _usc_had(folder: Path) -> None:
    (folder / "Subject3").mkdir()
    for code in (1, 8):
        held = {"subject": "3", "activity": "walking-forward", "trial": "2"}
        held["sensor_readings"] = np.tile([0, 0, 1, 0, 0, DEG], (100, 1))
        savemat(folder / "Subject3" / f"a{code}t2.mat", held)


@sample("utd-mhad", 50, "g, deg/s", "draw_x squat", "s2", 2)
def _utd_mhad(folder: Path) -> None:
    (folder / "Inertial").mkdir()
    for code in (8, 27):
        held = {"d_iner": np.tile([0, 0, 1, 0, 0, DEG], (100, 1))}
        savemat(folder / "Inertial" / f"a{code}_s2_t1_inertial.mat", held)


@sample("hapt", 50, "g, rad/s", "walking stand_to_sit", "u07", 2)
def _hapt(folder: Path) -> None:
    raw = folder / "RawData"
    put(raw / "acc_exp13_user07.txt", *rows([[0, 0, 1]] * 300, " "))
    put(raw / "gyro_exp13_user07.txt", *rows([[0, 0, TURN]] * 300, " "))
    put(raw / "labels.txt", "13 7 1 1 150", "13 7 7 151 250", "14 7 1 1 50")


@sample("uci-har", 50, "g, rad/s", "walking lying", "u01 u05", 3)
def _uci_har(folder: Path) -> None:
    for part, people, codes in (("train", [1, 1], [1, 6]), ("test", [5], [1])):
        base = folder / "UCI HAR Dataset" / part
        for kind, size in (("total_acc", 1.0), ("body_gyro", TURN), ("body_acc", 0.0)):
            for axis in "xyz":
                value = f"{size * (axis == 'z'):16.7e}"
                lines = ["".join([value] * 128)] * len(people)
                put(base / "Inertial Signals" / f"{kind}_{axis}_{part}.txt", *lines)
        put(base / f"subject_{part}.txt", *map(str, people))
        put(base / f"y_{part}.txt", *map(str, codes))


@sample("ku-har", 100, "m/s², rad/s", "Walk Lay-stand", "1001 1055", 2)
def _ku_har(folder: Path) -> None:
    for inner, name in (("11.Walk", "1001_L_1"), ("6.Lay-stand", "1055_G_2")):
        table = [[t, 0, 0, G, t + 0.001, 0, 0, TURN] for t in times(120, 100)]
        put(folder / "1.Raw_time_domian_data" / inner / f"{name}.csv", *rows(table))


@sample("motionsense", 50, "g, rad/s, gravity down", "downstairs jogging", "1 24", 2)
def _motionsense(folder: Path) -> None:
    names = ["attitude.roll", "attitude.pitch", "attitude.yaw"]
    names += [f"{k}.{a}" for k in ("gravity", "rotationRate", "userAcceleration") for a in "xyz"]
    for inner, person in (("dws_1", 1), ("jog_9", 24)):
        table = [[i, 0, 0, 0, 0, 0, -1, 0, 0, TURN, 0, 0, 0] for i in range(100)]
        path = folder / "A_DeviceMotion_data" / inner / f"sub_{person}.csv"
        put(path, "," + ",".join(names), *rows(table))


@sample("wisdm", 20, "m/s², rad/s", "walking kicking", "1600", 2)
def _wisdm(folder: Path) -> None:
    raw = folder / "wisdm-dataset" / "raw" / "watch"
    for sensor, value, late in (("accel", G, 0), ("gyro", TURN, 10_000_000)):
        table = [
            [1600, code, 252207666810782 + part + late + i * 50_000_000, 0.0, 0.0, value]
            for code, part in (("A", 0), ("M", 9_000_000_000))
            for i in range(60)
        ]
        put(raw / sensor / f"data_1600_{sensor}_watch.txt", *rows(table, end=";"))


@sample("wisdm-2011", 20, "m/s²", "walking jogging", "33 8", 3, gyro=False)
def _wisdm_2011(folder: Path) -> None:
    table = [
        [person, label, 49105962326000 + part + i * 50_000_000, 0, 0, G]
        for person, label, part in ((33, "Jogging", 0), (33, "Walking", 10**10), (8, "Walking", 0))
        for i in range(40)
    ]
    lines = rows(table, end=";")
    lines.insert(50, "33,Walking,;")
    put(folder / "WISDM_ar_v1.1_raw.txt", *lines)


@sample("hhar", 200, "m/s², rad/s", "stand stairsup", "a b", 3)
def _hhar(folder: Path) -> None:
    names = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
    for sensor, value in (("accelerometer", G), ("gyroscope", TURN)):
        table = [
            [
                *(i, 1424696633908 + at + i * 5, 1424696631913248572 + at * 10**6 + i * 5_000_000),
                *(0, 0, value, person, "nexus4", "nexus4_1", label),
            ]
            for person, label, at in (
                *(("a", "stand", 0), ("a", "null", 2000), ("a", "stairsup", 9000)),
                *(("b", "stand", 0),),
            )
            for i in range(200)
        ]
        inner = folder / "Activity recognition exp"
        put(inner / f"Phones_{sensor}.csv", names, *rows(table))


@sample("shoaib", 50, "m/s², rad/s", "walking upstairs", "4", 10)
def _shoaib(folder: Path) -> None:
    columns = ["time_stamp"] + [f"{k}{a}" for k in "ALGM" for a in "xyz"]
    first = [
        name + "," * 13 for name in ("Left_pocket", "Right_pocket", "Wrist", "Upper_arm", "Belt")
    ]
    block = ["1.39E+12", 0, 0, G, 0, 0, 0, 0, 0, TURN, 1, 1, 1, ""]
    table = [[*block * 4, *block[:-1], label] for label in ["walking"] * 60 + ["upsatirs"] * 60]
    header = ",".join([*columns, ""] * 5)
    put(folder / "DataSet" / "Participant_4.csv", "".join(first), header, *rows(table))


@sample("realworld", 50, "m/s², rad/s", "walking climbingup", "1 2", 3)
def _realworld(folder: Path) -> None:
    for person, label, site in (
        (1, "walking", "chest"),
        (1, "walking", "shin"),
        (2, "climbingup", "chest"),
    ):
        data = folder / f"proband{person}" / "data"
        for kind, name, value in (("acc", "acc", G), ("gyr", "Gyroscope", TURN)):
            at = times(80, 50, 1435993160.0, 1e-3)
            table = [[i + 1, int(t), 0, 0, value] for i, t in enumerate(at)]
            path = data / f"{kind}_{label}_csv" / f"{name}_{label}_{site}.csv"
            put(path, "id,attr_time,attr_x,attr_y,attr_z", *rows(table))


@sample("pdiot", 25, "g, deg/s", "walking lying_back upstairs", "s5 s1701", 4)
def _pdiot(folder: Path) -> None:
    names = "timestamp,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    for kind, label in (("respeck", "normalWalking"), ("thingy", "lyingBack")):
        table = [[1665410000000 + i * 40, 0, 0, 1, 0, 0, DEG] for i in range(75)]
        inner = folder / kind.title() / "s5"
        put(inner / f"s5_{kind}_{label}_breathingNormal.csv", names, *rows(table))
    about = ["# Sensor type: Respeck", "# Activity type: Climbing stairs", "# Activity code: 5"]
    for text in ("Climbing stairs", "Lying down on back"):
        name = f"Respeck_s1701_{text}_04-10-2022_10-48-49.csv.csv"
        put(folder / "2022" / "clean" / name, *about, names, *rows(table))


@sample("umafall", 20, "g, deg/s", "Walking", "01", 2)
def _umafall(folder: Path) -> None:
    about = [
        "% Universidad de Malaga - ETSI de Telecomunicacion (Spain)",
        *("% ", "% Type of Movement: ADL", "% Description of the movement: Walking"),
        "% 1; 12:34:56:78:9A:BC; CHEST; SensorTag",
        "% 3; 12:34:56:78:9A:BD; WRIST; SensorTag",
        "% Accelerometer = 0, Gyroscope = 1, Magnetometer = 2",
        "% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID; ",
    ]
    lines = [
        f"{50 * i};{i};0;0;{value};{kind};{node};"
        for i in range(60)
        for node in (1, 3)
        for kind, value in ((0, 1.0), (1, DEG), (2, 40))
    ]
    lines[30] = "250;5;1.012.598.156.929.010;0;1;0;1;"
    name = "UMAFall_Subject_01_ADL_Walking_1_2016-06-13_20-25-40.csv"
    put(folder / "UMAFall_Dataset" / name, *about, *lines)


# JSON.


@sample("edge-impulse", 62.5, "m/s², dps", "circle", "", 1)
def _edge_impulse(folder: Path) -> None:
    names = [("accX", "m/s2"), ("accY", "m/s2"), ("accZ", "m/s2")]
    names += [("gyrX", "dps"), ("gyrY", "dps"), ("gyrZ", "dps"), ("temp", "Cel")]
    payload = {
        "device_name": "ac:87:a3:0a:2d:1b",
        "device_type": "NANO33BLE",
        "interval_ms": 16,
        "sensors": [{"name": name, "units": unit} for name, unit in names],
        "values": [[0, 0, G, 0, 0, DEG, 21]] * 100,
    }
    whole = {"protected": {"ver": "v1", "alg": "none"}, "signature": "0", "payload": payload}
    put(folder / "circle.12.json", json.dumps(whole))


@sample("movesense", 52, "m/s², deg/s", recordings=2)
def _movesense(folder: Path) -> None:
    packets = []
    for i in range(26):
        still = [{"x": 0, "y": 0, "z": G}] * 4
        turn = [{"x": 0, "y": 0, "z": DEG}] * 4
        at = 5000 + round(i * 4000 / 52)
        packets.append({"imu6": {"Timestamp": at, "ArrayAcc": still, "ArrayGyro": turn}})
    put(folder / "20240301T101112_174630000192_imu6.json", json.dumps({"data": packets}))
    logged = {"Meas": {"IMU9": [packet["imu6"] for packet in packets], "HR": []}}
    put(folder / "MovesenseLog_2_625.json", json.dumps(logged))


# Loggers that write one table.


@sample("androsensor", 100, "m/s², rad/s")
def _androsensor(folder: Path) -> None:
    names = [
        f"{s} {a} (m/s²)"
        for s in ("ACCELEROMETER", "GRAVITY", "LINEAR ACCELERATION")
        for a in "XYZ"
    ]
    names += [f"GYROSCOPE {a} (rad/s)" for a in "XYZ"]
    names += ["MAGNETIC FIELD X (μT)", "Time since start in ms ", "YYYY-MO-DD HH-MI-SS_SSS"]
    table = [
        [0, 0, G, 0, 0, G, 0, 0, 0, 0, 0, TURN, 11, int(t), "2020-06-14 00:03:40:037"]
        for t in times(100, 100, 0.013, 1e-3)
    ]
    put(folder / "Sensor_record_20200614.csv", "sep=;", ";".join(names), *rows(table, ";"))


@sample("physics-toolbox", 100, "g, rad/s")
def _physics_toolbox(folder: Path) -> None:
    table = [
        [f"{t:.4f}".replace(".", ","), "−0,0000", "0,0000", "1,0000", "0,0", "0,0", "0,5", "0,0"]
        for t in times(100, 100)
    ]
    put(folder / "2024-03-01_10.00.csv", "", "time;gFx;gFy;gFz;wx;wy;wz;Gain", *rows(table, ";"))


@sample("sensorlog", 50, "G, rad/s, gravity down")
def _sensorlog(folder: Path) -> None:
    names = ["loggingTime(txt)", "loggingSample(N)", "accelerometerTimestamp_sinceReboot(s)"]
    names += [f"accelerometerAcceleration{a}(G)" for a in "XYZ"]
    names += ["motionTimestamp_sinceReboot(s)", "motionYaw(rad)", "motionRoll(rad)"]
    names += [f"motionRotationRate{a}(rad/s)" for a in "XYZ"]
    names += [f"motionUserAcceleration{a}(G)" for a in "XYZ"]
    names += ["motionAttitudeReferenceFrame(txt)", *(f"motionGravity{a}(G)" for a in "XYZ")]
    table = [
        [
            *(f"2024-08-22T14:12:07.{i % 1000:03d}+02:00", i, t, 0, 0, -1, t, 0, 0, 0, 0, TURN),
            *(0, 0, 0, "XArbitraryZVertical", 0, 0, -1),
        ]
        for i, t in enumerate(times(100, 50, 62608.0))
    ]
    put(folder / "2024-08-22_14_12_07_my_iPhone.csv", ",".join(names), *rows(table))


@sample("core-motion", 100, "g, rad/s, gravity down")
def _core_motion(folder: Path) -> None:
    names = [f"{k}.{a}" for k in ("gravity", "userAcceleration", "rotationRate") for a in "xyz"]
    table = [[t, 0, 0, -1, 0, 0, 0, 0, 0, TURN] for t in times(100, 100)]
    put(folder / "motion.csv", "t," + ",".join(names), *rows(table))


@sample("axivity", 100, "g, d/s")
def _axivity(folder: Path) -> None:
    names = "Time,Accel-X (g), Accel-Y (g), Accel-Z (g), Gyro-X (d/s), Gyro-Y (d/s), Gyro-Z (d/s)"
    table = [[f"2024-03-01 10:00:0{t:.3f}", 0, 0, 1, 0, 0, DEG] for t in times(120, 100)]
    put(folder / "AX6_6011408.csv", names, *rows(table))


@sample("actigraph", 30, "g", recordings=2, gyro=False)
def _actigraph(folder: Path) -> None:
    about = [
        "------------ Data File Created By ActiGraph GT3X+ ActiLife v6.11.9 Firmware v3.2.1 "
        "date format M/d/yyyy at 30 Hz  Filter Normal -----------",
        *("Serial Number: NEO1B41100262", "Start Time 00:00:00", "Start Date 3/1/2024"),
        *("Epoch Period (hh:mm:ss) 00:00:00", "Download Time 10:31:05", "Download Date 3/2/2024"),
        *("Current Memory Address: 0", "Current Battery Voltage: 4.07     Mode = 12", "-" * 50),
    ]
    table = rows([["0.000", "0.000", "1.000"]] * 90)
    put(
        folder / "NEO1B41100262RAW.csv",
        *about,
        "Accelerometer X,Accelerometer Y,Accelerometer Z",
        *table,
    )
    timed = [f"6/14/2018 12:08:0{t:.3f},{row}" for t, row in zip(times(90, 30), table, strict=True)]
    names = "Timestamp,Accelerometer X,Accelerometer Y,Accelerometer Z"
    put(folder / "CLE2B20130009RAW.csv", *about, names, *timed)


@sample("picoquake", 200, "g, deg/s")
def _picoquake(folder: Path) -> None:
    about = [
        "# PLab PicoQuake Data",
        "# Time: 2024-04-21 15:54:46.333682, Device: D4E9 (E6632891E36F2029)",
        "# Num. samples: 200, Duration: 1.0 s",
        "# Config: data_rate = 200.0 Hz, filter = 42 Hz, acc_range = 4 g, gyro_range = 250.0 dps",
        "# Integrity: True, Skipped samples: 0",
    ]
    table = [[i + 1, 0, 0, 1, 0, 0, DEG] for i in range(200)]
    put(folder / "run_1.csv", *about, "count,a_x,a_y,a_z,g_x,g_y,g_z", *rows(table))


@sample("nano33ble", 119, "g, deg/s", "flex punch tap", recordings=8)
def _nano33ble(folder: Path) -> None:
    gesture = rows([["0.000", "0.000", "1.000", "0.000", "0.000", f"{DEG:.3f}"]] * 119)
    put(folder / "flex.csv", "aX,aY,aZ,gX,gY,gZ", *gesture, "", *gesture, "", *gesture, "")
    put(folder / "punch.csv", "aX,aY,aZ,gX,gY,gZ", *gesture, *gesture)
    cells = ["0.000", "0.000", "1.000", "0.000", "0.000", f"{DEG:.3f}"]
    quoted = [",".join(f'"{cell}"' for cell in row) for row in [cells] * 118 + [[""] * 6]]
    header = ",".join(f'"{k}{a}"' for k in "ag" for a in "XYZ")
    put(folder / "tap.csv", header, *quoted * 3)


# Devices.


@sample("shimmer", 51.2, "m/(s^2), deg/s", recordings=2)
def _shimmer(folder: Path) -> None:
    start = "Shimmer_8665_"
    names = ["Timestamp_Unix_CAL", *(f"Accel_{k}_{a}_CAL" for k in ("LN", "WR") for a in "XYZ")]
    names += [f"Gyro_{a}_CAL" for a in "XYZ"]
    units = ["ms", *["m/(s^2)"] * 6, *["deg/s"] * 3]
    table = [
        [f"{1.6e12 + t:.3f}", 0, 0, G, 0, 0, 9.5, 0, 0, DEG, ""]
        for t in times(100, 51.2, size=1e-3)
    ]
    for i, (mark, first) in enumerate((("\t", "sep=\t"), (";", '"sep=;"'))):
        header = mark.join(start + name for name in names) + mark
        path = folder / f"Session{i}_Shimmer_8665_Calibrated_SD.csv"
        put(path, first, header, mark.join(units) + mark, *rows(table, mark))


@sample("xsens-dot", 60, "m/s², deg/s")
def _xsens_dot(folder: Path) -> None:
    about = ["sep=,", "DeviceTag:,1", "FirmwareVersion:,3.0.0", "AppVersion:,2023.6.0"]
    about += ["SyncStatus:,Synced", "OutputRate:,60Hz", "FilterProfile:,General"]
    about += [
        "StartTime: ,2025-07-11_20:06:00_086 WEST",
        "© Movella Technologies B. V. 2005-2025",
        "",
    ]
    names = ["PacketCounter", "SampleTimeFine", *(f"Euler_{a}" for a in "XYZ")]
    names += [f"{k}_{a}" for k in ("Acc", "Gyr") for a in "XYZ"] + ["Status"]
    start = 2**32 - 500_000  # its clock begins again
    table = [
        [i + 1, (start + int(t)) % 2**32, 0, 0, 40, 0, 0, G, 0, 0, f"{DEG:.6f}", 0]
        for i, t in enumerate(times(120, 60, size=1e-6))
    ]
    table[0][5:11] = [0] * 6
    put(folder / "1_20250711_200600_086.csv", *about, ",".join(names), *rows(table))


@sample("xsens-mtw", 100, "m/s², rad/s")
def _xsens_mtw(folder: Path) -> None:
    about = ["// Start Time: Unknown", "// Update Rate: 100.0Hz", "// Filter Profile: human (46.1)"]
    about += ["// Option Flags: AHS Disabled ICC Disabled", "// Firmware Version: 4.0.2"]
    names = ["PacketCounter", "SampleTimeFine", "Year", "Month"]
    names += [f"{k}_{a}" for k in ("Acc", "FreeAcc", "Gyr", "Mag") for a in "XYZ"]
    table = [
        [f"{(65500 + i) % 65536:05d}", *[""] * 3, 0, 0, G, *[""] * 3, 0, 0, TURN, *[""] * 3]
        for i in range(150)
    ]
    put(folder / "MT_012005D6_000-000_00B40B91.txt", *about, "\t".join(names), *rows(table, "\t"))


@sample("empatica", 32, "counts: 1/64 g", gyro=False)
def _empatica(folder: Path) -> None:
    first = ["1599466200.000000, 1599466200.000000, 1599466200.000000"]
    first += ["32.000000, 32.000000, 32.000000"]
    put(folder / "ACC.csv", *first, *rows([[0, 0, 64]] * 96))
    put(folder / "TEMP.csv", "1599466200.00", "4.000000", "34.5", "34.5")


@sample("magic-wand", 25, "mg", "wing negative", " hyw", recordings=3, gyro=False)
def _magic_wand(folder: Path) -> None:
    one = ["-,-,-", *rows([["0.0", "0.0", "1000.0"]] * 50)]
    put(folder / "wing" / "output_wing_hyw.txt", *one, *one)
    put(folder / "negative" / "output_negative_1.txt", *one)


# Phones.


@sample("sensor-logger", 100, "m/s², rad/s", "circle walk", recordings=2)
def _sensor_logger(folder: Path) -> None:
    start = 1709287200 * 10**9
    about = "version,device name,platform,appVersion,standardisation"
    for name, system, sign in (("circle", "android", 1), ("walk", "ios", -1)):
        inner = folder / f"{name}-2024-03-01_10-00-00"
        put(inner / "Metadata.csv", about, f"3,phone,{system},1.30,false")
        sensors = {"Gyroscope": (TURN, 98, 0.07), "Accelerometer": (0.0, 100, 0.05)}
        sensors["TotalAcceleration" if sign > 0 else "Gravity"] = (sign * G, 100, 0.05)
        for sensor, (value, rate, late) in sensors.items():
            table = [
                [start + round(t * 1e9), f"{t:.6f}", value, 0, 0] for t in times(200, rate, late)
            ]
            put(inner / f"{sensor}.csv", "time,seconds_elapsed,z,y,x", *rows(table))


@sample("phyphox", 100, "m/s², rad/s", recordings=2)
def _phyphox(folder: Path) -> None:
    for stem, unit, value in (("Accelerometer", "m/s^2", G), ("Gyroscope", "rad/s", TURN)):
        table = [[f"{t:.9E}", "0.0E0", "0.0E0", f"{value:.9E}"] for t in times(150, 100, 0.01)]
        header = '"Time (s)",' + ",".join(f'"{a} ({unit})"' for a in "XYZ")
        put(folder / "take 1" / f"{stem}.csv", header, *rows(table))
    names = [
        "Time (s)",
        *(f"Acceleration {a} (m/s^2)" for a in "xyz"),
        "Absolute acceleration (m/s^2)",
    ]
    header = ";".join(f'"{name}"' for name in names)
    table = [[f"{t:.9E}", "0.0E0", "0.0E0", f"{G:.9E}", f"{G:.9E}"] for t in times(150, 100)]
    lines = [line.replace(".", ",") for line in rows(table, ";")]
    put(folder / "take 2" / "Raw Data.csv", header, *lines)
    put(folder / "take 2" / "meta" / "device.csv", '"property","value"', '"version","1.1"')


def table_of_dialects() -> str:
    """Return the table of `docs/data-format.md`: what is found in each sample."""
    from imuscribe.signals.readers.dialects import NAMES, dialect

    lines = ["| `--layout` | files | in the sample | units | where it was looked up |"]
    lines.append("|---|---|---|---|---|")
    made = {one.name: one for one in SAMPLES}
    for name in NAMES:
        one, found = dialect(name), made.get(name)
        escaped = {"|": "/", "<": "&lt;", ">": "&gt;"}
        what, source = (
            "".join(escaped.get(letter, letter) for letter in text)
            for text in (one.what, one.source)
        )
        if found is None:
            lines.append(f"| `{name}` | {what} | – | – | {source} |")
            continue
        who = f"{len(found.people)} people, " if found.people - {""} else ""
        sensors = "acc, gyro" if found.gyro else "acc"
        told = f"{found.recordings} recordings, {who}{found.rate:g} Hz, {sensors}"
        lines.append(f"| `{name}` | {what} | {told} | {found.units} | {source} |")
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    sys.stdout.write(table_of_dialects() + "\n")

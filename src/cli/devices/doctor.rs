//! `edgezen devices doctor`: what makes this computer, phones and a board unfit to measure.

use super::seen::{self, ThisComputer, Unit};
use crate::cli::{Exit, Failure, Global};
use edgezen_lab::device::complaint::{Complaint, Severity};
use edgezen_lab::device::profile::Profiles;
use serde::Serialize;

#[derive(Serialize)]
struct Doctor {
    /// Whether nothing was found that makes results wrong.
    fit: bool,
    complaints: Vec<Complaint>,
    computer: ThisComputer,
    phones: Vec<Unit>,
    /// The board that was asked for, if one was.
    boards: Vec<Unit>,
}

pub fn run(
    profiles: &Profiles,
    serial: Option<String>,
    host: Option<String>,
    global: Global,
) -> Result<(), Failure> {
    let doctor = doctor(profiles, serial, host)?;
    global.output().result(&doctor, || text(&doctor))?;
    judge(&doctor)
}

fn doctor(profiles: &Profiles, serial: Option<String>, host: Option<String>) -> Result<Doctor, Failure> {
    let (computer, complaints) = seen::this_computer(profiles)?;
    let fit = complaints.iter().all(|complaint| complaint.severity < Severity::Unfit);
    let named = serial.is_some();
    let phones = match seen::phones(profiles, serial) {
        Ok(phones) => phones,
        Err(error) if named => return Err(error.into()),
        // Without an adb server there is still this computer to look at.
        Err(_) => Vec::new(),
    };
    Ok(Doctor { fit, complaints, computer, phones, boards: seen::boards(profiles, host)? })
}

/// Fails where something makes results wrong: of this computer, of an attached phone, or of a board.
fn judge(doctor: &Doctor) -> Result<(), Failure> {
    let unfit = |complaints: &[Complaint]| complaints.iter().any(|c| c.severity >= Severity::Unfit);
    let units = doctor.phones.iter().chain(&doctor.boards).filter(|unit| unfit(&unit.complaints));
    let units = units.map(|unit| unit.name.to_string());
    let computer = (!doctor.fit).then(|| "this computer".to_owned());
    let all: Vec<String> = computer.into_iter().chain(units).collect();
    if all.is_empty() {
        return Ok(());
    }
    let message = format!("not fit to measure: {}", all.join(", "));
    Err(Failure::new(Exit::Quality, message)
        .remedy("follow the advice above, then edgezen devices doctor again"))
}

fn text(doctor: &Doctor) -> String {
    let mut out = format!("{}\n{}", doctor.computer.title, found(&doctor.complaints));
    for unit in doctor.phones.iter().chain(&doctor.boards) {
        out += &format!("\n{}", unit.text());
        for difference in &unit.differences {
            out += &format!("differs from its profile: {difference}\n");
        }
        out += &found(&unit.complaints);
    }
    out
}

/// What was found, each with its remedy, and what that amounts to.
fn found(complaints: &[Complaint]) -> String {
    let line = |c: &Complaint| format!("{}: {}\n  try: {}\n", c.severity, c.finding, c.remedy);
    complaints.iter().map(line).collect::<String>() + verdict(complaints)
}

fn verdict(complaints: &[Complaint]) -> &'static str {
    match complaints.iter().map(|complaint| complaint.severity).max() {
        None => "fit to measure\n",
        Some(Severity::Caution) => "can measure, with the cautions above\n",
        Some(Severity::Unfit) => "not fit to measure now\n",
    }
}

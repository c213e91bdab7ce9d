//! `edgezen devices doctor`: what makes this computer, phones and a board unfit to measure.

use super::seen::{self, Board, Phone, ThisComputer};
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
    phones: Vec<Phone>,
    /// The board that was asked for, if one was.
    boards: Vec<Board>,
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
    let phones = doctor.phones.iter().filter(|phone| unfit(&phone.complaints));
    let phones = phones.map(|phone| format!("phone {}", phone.serial));
    let boards = doctor.boards.iter().filter(|board| unfit(&board.complaints));
    let boards = boards.map(|board| format!("board {}", board.host));
    let computer = (!doctor.fit).then(|| "this computer".to_owned());
    let all: Vec<String> = computer.into_iter().chain(phones).chain(boards).collect();
    if all.is_empty() {
        return Ok(());
    }
    let message = format!("not fit to measure: {}", all.join(", "));
    Err(Failure::new(Exit::Quality, message)
        .remedy("follow the advice above, then edgezen devices doctor again"))
}

fn text(doctor: &Doctor) -> String {
    let mut out = format!("{}\n", doctor.computer.title);
    for complaint in &doctor.complaints {
        out += &format!("{}: {}\n  try: {}\n", complaint.severity, complaint.finding, complaint.remedy);
    }
    out += verdict(&doctor.complaints);
    for phone in &doctor.phones {
        out += &format!("\n{}", phone.text());
        for complaint in &phone.complaints {
            out += &format!("{}: {}\n  try: {}\n", complaint.severity, complaint.finding, complaint.remedy);
        }
        out += verdict(&phone.complaints);
    }
    for board in &doctor.boards {
        out += &format!("\n{}", board_text(board));
    }
    out
}

/// What is known of a board, and whether it is fit.
fn board_text(board: &Board) -> String {
    let title = board.title.as_deref().map_or(String::new(), |title| format!(", {title}"));
    let profile = board.profile.as_deref().map_or(String::new(), |profile| format!(", profile {profile}"));
    let mut out = format!("board {}: {}{title}{profile}\n", board.host, board.state);
    for difference in &board.differences {
        out += &format!("differs from its profile: {difference}\n");
    }
    for complaint in &board.complaints {
        out += &format!("{}: {}\n  try: {}\n", complaint.severity, complaint.finding, complaint.remedy);
    }
    out + verdict(&board.complaints)
}

fn verdict(complaints: &[Complaint]) -> &'static str {
    match complaints.iter().map(|complaint| complaint.severity).max() {
        None => "fit to measure\n",
        Some(Severity::Caution) => "can measure, with the cautions above\n",
        Some(Severity::Unfit) => "not fit to measure now\n",
    }
}
